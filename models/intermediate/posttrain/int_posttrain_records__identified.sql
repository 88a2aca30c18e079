{{ config(materialized = 'view') }}
{#- Aggregates of OLMES that say so by nothing but their name (spec instances, section 7). -#}
{%- set suites = ['mmlu', 'core_9mcqa', 'bbh', 'minerva', 'minerva_math', 'olmes_10_macro_avg'] %}

with

records as (

    select * from {{ ref('stg_posttrain__records') }}

),

named as (

    select
        * exclude (num_instances_text, processing_time_text),
        coalesce(config_model, folder_model, folder) as model,
        coalesce(config_revision, folder_revision) as revision

    from records

),

identified as (

    select
        -- Equal configurations of two models are two evaluations, so the model is part of it.
        md5(concat_ws('\n', content_sha256, model, coalesce(revision, ''))) as evaluation_id,
        *,
        coalesce(
            task_config ->> '$.metadata.num_tasks', task_config ->> '$.num_tasks',
            metrics ->> '$.primary_score_macro', metrics ->> '$.primary_score_micro'
        ) is not null
        or coalesce(
            starts_with(lower(task_config ->> '$.metadata.description'), 'aggregate metric'), false
        )
        or split_part(task, ':', 1) in {{ sql_list(suites) }} as is_suite,
        {{ parse_metric("(metrics ->> '$.primary_score')") }} as primary_score

    from named

)

select * from identified
