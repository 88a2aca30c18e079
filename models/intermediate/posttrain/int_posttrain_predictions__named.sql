with

files as (

    select * from {{ ref('stg_posttrain__files') }}

),

records as (

    select * from {{ ref('int_posttrain_records__identified') }}

),

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}

),

-- Predictions are of the evaluation whose record stands beside them; without one they are of the
-- model that the folder names.
placed as (

    select
        files.sha256 as predictions_sha256,
        coalesce(records.model, files.folder_model, files.folder) as model,
        case
            when records.evaluation_id is null then files.folder_revision else records.revision
        end as revision,
        files.task,
        records.evaluation_id

    from files
    left join records on files._batch_id = records._batch_id and files.task = records.task
    where files.kind = 'predictions' and files.sha256 is not null

),

-- Of several evaluations the newest counts.
named as (

    select placed.*
    from placed
    left join evaluations on placed.evaluation_id = evaluations.evaluation_id
    qualify row_number() over (
        partition by placed.predictions_sha256, placed.model, placed.revision, placed.task
        order by evaluations.recency nulls last
    ) = 1

)

select * from named
