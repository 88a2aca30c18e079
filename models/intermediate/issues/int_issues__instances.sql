{{ config(materialized = 'view') }}

with

names as (

    select * from {{ ref('int_instance_names__resolved') }}

),

compared as (

    select * from {{ ref('int_instance_tasks__compared') }}

),

checks as (

    select * from {{ ref('int_instance_checks__by_task') }}
    union all by name
    select * from {{ ref('int_instance_checks__by_checkpoint') }}

),

unknown as (

    select
        names.tar_name || '/' || names.params || '/seed ' || names.seed_number as subject,
        'recipe, params, seed' as field,
        names.recipe || ', ' || names.params || ', ' || names.seed as value

    from names
    where names.n_known_names < 3
    union all
    select distinct
        compared.recipe as subject,
        'task' as field,
        compared.task as value

    from compared
    anti join {{ ref('task_registry') }} as tasks on compared.task = tasks.task

),

issues as (

    select
        'unknown_instance_name' as kind,
        unknown.subject,
        unknown.field,
        unknown.value,
        null as detail

    from unknown
    union all
    select
        'failed_reconciliation' as kind,
        {{ checkpoint_label('checks') }} as subject,
        checks.task || '/' || checks.check_name as field,
        cast(checks.reported as varchar) as value,
        'the questions give ' || checks.recomputed as detail

    from checks
    where not checks.is_ok
    union all
    select
        'unexpected_primary_metric' as kind,
        {{ checkpoint_label('compared') }} as subject,
        compared.task as field,
        compared.primary_metric as value,
        'the task has ' || compared.expected_primary_metric as detail

    from compared
    where
        compared.expected_primary_metric is not null
        and compared.primary_metric is distinct from compared.expected_primary_metric

)

select * from issues
