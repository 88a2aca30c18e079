with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

resolved as (

    select * from {{ ref('int_runs__config_resolved') }}

),

texts as (

    select
        resolved.run_path,
        {%- for key, _, _ in core_config_keys() %}
        any_value(resolved.value) filter (where resolved.key = '{{ key }}') as {{ key }},
        any_value(resolved.source) filter (where resolved.key = '{{ key }}') as {{ key }}_source
        {{- ',' if not loop.last }}
        {%- endfor %}

    from resolved
    group by all

),

typed as (

    select
        runs.run_path,
        runs.entity,
        runs.project,
        runs.run_id,
        {%- for key, type, is_hydrated in core_config_keys() %}
        {%- if type == 'number' %}
        {{ parse_number('texts.' ~ key) }} as {{ key }},
        {%- elif type == 'integer' %}
        try_cast({{ parse_integer('texts.' ~ key) }} as bigint) as {{ key }},
        {%- elif type == 'exact' %}
        try_cast(coalesce(
            {{ parse_integer('texts.' ~ key) }},
            try_cast(round({{ parse_number('texts.' ~ key) }}) as hugeint)
        ) as decimal(38, 0)) as {{ key }},
        {%- elif type == 'boolean' %}
        try_cast(texts.{{ key }} as boolean) as {{ key }},
        {%- else %}
        texts.{{ key }},
        {%- endif %}
        {%- if is_hydrated %}
        texts.{{ key }}_source,
        {%- endif %}
        {%- endfor %}

        -- What the run was started from, as far as the path of the model tells: a hub snapshot
        -- names recipe and size, the local directory of a DPO run does not.
        nullif(regexp_extract(
            texts.model_name_or_path, 'DataDecide-([^/]+?)(?:-[0-9]+[MB])?(?:/snapshots|$)', 1
        ), '') as model_path_slug,
        nullif(regexp_extract(
            texts.model_name_or_path, 'DataDecide-[^/]+?-([0-9]+[MB])(?:/snapshots|$)', 1
        ), '') as model_path_params,
        case
            when texts.dpo_beta is not null or texts.dpo_loss_type is not null then 'dpo'
            when texts.run_path is not null then 'finetune'
        end as method

    from runs
    left join texts on runs.run_path = texts.run_path

)

select * from typed
