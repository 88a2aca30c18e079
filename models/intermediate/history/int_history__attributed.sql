{{ config(materialized = 'view') }}

with

history as (

    select * from {{ ref('stg_wandb__history') }}

),

-- Named twice, it would be materialised, and with that every column of the history computed for
-- whoever asks this view for one: 0.23 s instead of 0.02 s for a million rows (DuckDB 1.5.5).
runs as not materialized (

    select * from {{ ref('stg_wandb__runs') }}

),

-- Most exports of history name only the run id, which is unique in its project: such rows belong
-- to the one run of that id, and to none when two projects have it.
addresses as (

    select
        runs.entity,
        runs.project,
        runs.run_id,
        runs.run_path,
        runs.entity as entity_of_run,
        runs.project as project_of_run

    from runs
    union all
    select
        '' as entity,
        '' as project,
        runs.run_id,
        any_value(runs.run_path) as run_path,
        any_value(runs.entity) as entity_of_run,
        any_value(runs.project) as project_of_run

    from runs
    group by runs.run_id
    having count(*) = 1

),

attributed as (

    select
        addresses.run_path,
        coalesce(addresses.entity_of_run, history.entity) as entity,
        coalesce(addresses.project_of_run, history.project) as project,
        history.* exclude (entity, project)

    from history
    left join addresses
        on history.run_id = addresses.run_id
        and coalesce(history.entity, '') = addresses.entity
        and coalesce(history.project, '') = addresses.project

)

select * from attributed
