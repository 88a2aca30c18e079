with

merged as (

    select * from {{ ref('int_evals__merged') }}

),

tasks as (

    select * from {{ ref('task_registry') }}

),

labelled as (

    select
        merged.*,
        -- The suite is logged under its full name; other variants of a task keep theirs, because
        -- two of them in one run are two tasks.
        regexp_replace(merged.task_name, '^core_9mcqa:rc::olmes:full$', 'core_9mcqa') as task,
        case
            when ends_with(merged.metric, '_macro') then 'macro'
            when ends_with(merged.metric, '_micro') then 'micro'
        end as aggregation,
        case
            when contains(merged.metric, '_per_token')
                then {{ raw_counterpart('merged.metric') }}
        end as raw_metric

    from merged

),

-- Token counts were lost in these evaluations: every per-token value of a task equals its raw
-- counterpart (spec run_normalisation, section 8.4).
degenerate_tasks as (

    select
        per_token.run_path,
        per_token.task_name
    from labelled as per_token
    inner join labelled as raw_values
        on per_token.run_path = raw_values.run_path
        and per_token.task_name = raw_values.task_name
        and per_token.raw_metric = raw_values.metric
    group by all
    having bool_and(per_token.reported_value is not distinct from raw_values.reported_value)

),

parsed as (

    select
        labelled.run_path,
        labelled.run_id,
        labelled.task,
        labelled.task_name,
        labelled.metric,
        case
            when labelled.aggregation is null then labelled.metric
            else left(labelled.metric, -6)
        end as base_metric,
        labelled.aggregation,
        case
            when tasks.task_group = 'suite' or labelled.aggregation is not null then 'suite'
            else 'task'
        end as level,
        labelled.reported_value,
        labelled.object_value,
        labelled.scalar_value,
        labelled.value_json,
        coalesce(labelled.metric = tasks.primary_metric, false) as is_primary,
        -- Answers of one token are the exception, where equality is right.
        labelled.raw_metric is not null
            and degenerate_tasks.run_path is not null
            and not coalesce(tasks.is_single_token, false) as is_suspect

    from labelled
    left join tasks on labelled.task = tasks.task
    left join degenerate_tasks
        on labelled.run_path = degenerate_tasks.run_path
        and labelled.task_name = degenerate_tasks.task_name

)

select * from parsed
