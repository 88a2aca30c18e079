-- An older loader removed duplicates by the configuration of the task alone, and kept one row of
-- each configuration across all models (spec instances, section 6). Here a record that is not in
-- the mart under its own model, with the place it came from, is lost.
with

records as (

    select * from {{ ref('int_posttrain_records__identified') }}

),

evaluations as (

    select * from {{ ref('posttrain_evaluations') }}

)

select
    records.directory,
    records.file,
    records.line,
    records.model,
    records.task_name

from records
left join evaluations
    on records.evaluation_id = evaluations.evaluation_id
    and records.model = evaluations.model
    and records.task_name = evaluations.task_name
    and list_contains(evaluations.paths, records.directory || '/' || records.file)
where evaluations.evaluation_id is null
