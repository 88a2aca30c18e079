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
        records.evaluation_id,
        files.dump,
        files._landed_at

    from files
    left join records on files._batch_id = records._batch_id and files.task = records.task
    where files.kind = 'predictions' and files.sha256 is not null

),

-- Of several evaluations the newest counts.
named as (

    select
        placed.predictions_sha256,
        placed.model,
        placed.revision,
        placed.task,
        arg_min(placed.evaluation_id, evaluations.recency) as evaluation_id,
        min(evaluations.recency) as recency,
        max(placed.dump) as newest_dump,
        max(placed._landed_at) as last_landed_at

    from placed
    left join evaluations on placed.evaluation_id = evaluations.evaluation_id
    group by all

),

-- Predictions may be rewritten while the metrics stay as they are: then the dump and the landing
-- decide, as between evaluations.
ranked as (

    select
        * exclude (recency, newest_dump, last_landed_at),
        row_number() over (
            partition by model, revision, task
            order by
                recency asc nulls last,
                newest_dump desc nulls last,
                last_landed_at desc,
                predictions_sha256 asc
        ) = 1 as is_newest

    from named

)

select * from ranked
