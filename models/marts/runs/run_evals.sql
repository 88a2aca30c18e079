{{ config(materialized = 'view') }}

with

evals as (

    select * from {{ ref('int_evals__parsed') }}
    where reported_value is not null

),

final as (

    select
        evals.run_path,
        string_split(evals.run_path, '/')[1] as entity,
        string_split(evals.run_path, '/')[2] as project,
        evals.run_id,
        evals.task,
        evals.task_name,
        evals.metric,
        evals.base_metric,
        evals.aggregation,
        evals.level,
        case when not evals.is_suspect then evals.reported_value end as value,
        evals.reported_value,
        evals.value_json as value_text,
        evals.is_primary,
        evals.is_suspect

    from evals

)

select * from final
