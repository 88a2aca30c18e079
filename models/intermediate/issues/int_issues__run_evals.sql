{{ config(materialized = 'view') }}

with

evals as (

    select * from {{ ref('int_evals__parsed') }}

),

rejected as (

    select * from {{ ref('int_evals__rejected') }}

),

tasks as (

    select * from {{ ref('task_registry') }}

),

metrics as (

    select * from {{ ref('metric_registry') }}

),

issues as (

    -- 380 of 380 overlapping values of the samples are identical; one parser's result depended on
    -- which form came first.
    select
        'disagreeing_evaluation' as kind,
        evals.run_path as subject,
        evals.task || '/' || evals.metric as field,
        cast(evals.object_value as varchar) as value,
        'the scalar form says ' || evals.scalar_value as detail

    from evals
    where
        abs(evals.object_value - evals.scalar_value)
        > 1e-9 * greatest(1, abs(evals.object_value))
    union all
    select
        'rejected_evaluation' as kind,
        rejected.run_path as subject,
        rejected.source_key as field,
        rejected.value_json as value,
        null as detail

    from rejected
    union all
    select distinct
        'unknown_evaluation_task' as kind,
        evals.run_path as subject,
        evals.task as field,
        evals.task as value,
        null as detail

    from evals
    anti join tasks on evals.task = tasks.task
    union all
    select distinct
        'unknown_evaluation_metric' as kind,
        evals.run_path as subject,
        evals.base_metric as field,
        evals.base_metric as value,
        null as detail

    from evals
    anti join metrics on evals.base_metric = metrics.metric

)

select * from issues
