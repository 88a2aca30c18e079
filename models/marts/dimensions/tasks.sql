with

registry as (

    select * from {{ ref('task_registry') }}

),

tasks as (

    select
        task,
        task_group,
        n_instances,
        chance_accuracy,
        chance_accuracy_release,
        primary_metric,
        is_single_token

    from registry

)

select * from tasks
