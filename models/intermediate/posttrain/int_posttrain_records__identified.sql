{{ config(materialized = 'view') }}
{#- Aggregates of OLMES that say so by nothing but their name (spec instances, section 7). -#}
{%- set suites = ['mmlu', 'core_9mcqa', 'bbh', 'minerva', 'minerva_math', 'olmes_10_macro_avg'] %}

with

records as (

    select * from {{ ref('int_posttrain_records__named') }}

),

-- A copy of a record is found in a folder that says less, or more, of the model than another:
-- it is what the one says that says anything. Where two say different things they are two.
told as (

    select
        * exclude (own_revision, own_step, step_source),
        coalesce(own_revision, case
            when min(own_revision) over copies = max(own_revision) over copies
                then min(own_revision) over copies
        end) as revision,
        coalesce(own_step, case
            when min(own_step) over copies = max(own_step) over copies
                then min(own_step) over copies
        end) as checkpoint_step,
        coalesce(step_source, case
            when checkpoint_step is not null then min(step_source) over copies
        end) as checkpoint_step_source

    from records
    window copies as (partition by content_sha256, model)

),

-- The evaluator's hash of what was evaluated, else the configuration itself. A model that is not
-- named is that of its folder, so that it is taken for nobody else's.
keyed as (

    select
        *,
        md5(concat_ws(
            '\n',
            model,
            coalesce(model_path, ''),
            coalesce(revision, ''),
            coalesce(cast(checkpoint_step as varchar), ''),
            coalesce(model_hash, model_config_key, ''),
            if(is_model_known or model_hash is not null, '', directory)
        )) as model_key,
        md5(concat_ws('\n', task_name, coalesce(task_hash, config_key, ''))) as task_key

    from told

),

identified as (

    select
        md5(concat_ws('\n', content_sha256, model_key)) as evaluation_id,
        *,
        coalesce(
            task_config ->> '$.metadata.num_tasks', task_config ->> '$.num_tasks',
            metrics ->> '$.primary_score_macro', metrics ->> '$.primary_score_micro'
        ) is not null
        or coalesce(
            starts_with(lower(task_config ->> '$.metadata.description'), 'aggregate metric'), false
        )
        or task in {{ sql_list(suites) }} as is_suite,
        {{ parse_metric("(metrics ->> '$.primary_score')") }} as primary_score

    from keyed

)

select * from identified
