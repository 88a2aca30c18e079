{{ config(materialized = 'table') }}

{%- set summary_keys = ['total_tokens', '_step', 'train_loss', '_runtime'] %}

with

snapshots as (

    select * from {{ ref('base_wandb__runs') }}

),

current_snapshots as (

    {{ current_run_snapshots('snapshots') }}

),

-- A snapshot may come without wandb-metadata.json, which costs W&B's clients a request of its own.
-- Of several sessions the arguments of one that a trainer started count.
command_lines as (

    select
        {{ run_path('snapshots') }} as run_path,
        arg_max(
            snapshots.wandb_metadata -> '$.args',
            (
                snapshots.session is not null
                and regexp_matches(
                    cast(snapshots.wandb_metadata -> '$.args' as varchar),
                    '"--(exp|run)[_-]name["=]'
                ),
                snapshots._snapshot_at,
                snapshots._landed_at
            )
        ) as args

    from snapshots
    where snapshots.wandb_metadata is not null
    group by all

),

-- What each snapshot says; null where it says nothing.
said as (

    select
        current_snapshots.* exclude (run_id),
        snapshots.entity,
        snapshots.project,
        snapshots.run_id,
        {%- for name, columns in run_attributes().items() %}
        {{ first_said('snapshots', columns) }} as {{ name }},
        {%- endfor %}
        {%- for key in summary_keys %}
        snapshots.summary['{{ key }}'] ->> '$' as summary_{{ key.lstrip('_') }}_text,
        {%- endfor %}
        coalesce(
            {{ parse_tags('snapshots.tags') }},
            {{ parse_tags('snapshots.system_attrs.tags') }},
            []
        ) as tags,
        coalesce(
            try_cast(snapshots.history_line_count ->> '$' as bigint),
            try_cast(snapshots.system_attrs.historylinecount as bigint)
        ) as history_line_count,
        coalesce(try_cast(snapshots.extra ->> '$.is_incomplete' as boolean), false)
            as is_incomplete,
        snapshots._source_file

    from snapshots
    inner join current_snapshots on snapshots._record_id = current_snapshots._record_id

),

-- A run is the sum of what is said of it: each session adds to it, and erases nothing.
runs as (

    select
        ----------  ids
        said.run_path,
        any_value(said.entity) as entity,
        any_value(said.project) as project,
        any_value(said.run_id) as run_id,
        coalesce(arg_min(said.run_name, said.recency), any_value(said.run_id)) as run_name,
        count(said.session) as n_sessions,

        ----------  attributes, summary
        {%- for name in run_attributes() if name not in ('run_name', 'created_at', 'updated_at') %}
        arg_min(said.{{ name }}, said.recency) as {{ name }},
        {%- endfor %}
        {%- for key in summary_keys %}
        arg_min(said.summary_{{ key.lstrip('_') }}_text, said.recency)
            as summary_{{ key.lstrip('_') }}_text,
        {%- endfor %}
        {{ once_each('flatten(list(said.tags order by said.recency desc))') }} as tags,
        -- The server counts what it has, a session what it logged: together they say nothing.
        case
            when count(said.session) in (0, count(*))
                then cast(sum(said.history_line_count) as bigint)
        end as history_line_count,
        any_value(command_lines.args) as args,
        bool_or(said.is_incomplete) as is_incomplete,

        ----------  times
        min({{ parse_time('said.created_at') }}) as created_at,
        max({{ parse_time('said.updated_at') }}) as updated_at,
        max(said._snapshot_at) as snapshot_at,

        ----------  provenance
        arg_min(said._record_id, said.recency) as _record_id,
        arg_min(said._source_file, said.recency) as _source_file

    from said
    left join command_lines on said.run_path = command_lines.run_path
    group by said.run_path

)

select * from runs
