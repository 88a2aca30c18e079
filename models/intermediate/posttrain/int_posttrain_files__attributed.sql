with

files as (

    select
        *,
        -- Names of files cannot hold a colon everywhere.
        regexp_replace(task_name, '\W', '_', 'g') as plain_task

    from {{ ref('int_posttrain_files__hashed') }}

),

records as (

    select
        records.*,
        metrics.file_group,
        regexp_replace(records.task_name, '\W', '_', 'g') as plain_task_name

    from {{ ref('int_posttrain_records__identified') }} as records
    left join {{ ref('stg_posttrain__files') }} as metrics
        on records._batch_id = metrics._batch_id
        and records.file = metrics.file
        and metrics.kind = 'metrics'

),

-- By both hashes, of the same directory first.
hash_candidates as (

    select
        files.* exclude (plain_task),
        records.evaluation_id,
        records.model_key,
        records.task_key,
        if(files._batch_id = records._batch_id, 1, 4) as attribution_rank

    from files
    inner join records
        on files.model_hash = records.model_hash and files.task_hash = records.task_hash

),

-- Where one is missing there is the name of the file that the metrics have, too, and at last the
-- task, if there is but one evaluation of it. Apart from the above: two joins by equality are fast.
name_candidates as (

    select
        files.* exclude (plain_task),
        records.evaluation_id,
        records.model_key,
        records.task_key,
        if(files.file_group = records.file_group, 2, 3) as attribution_rank

    from files
    inner join records on files._batch_id = records._batch_id
    where
        (
            files.file_group = records.file_group
            or files.plain_task in (records.plain_task_name, records.task)
        )
        and coalesce(files.model_hash = records.model_hash, true)
        and coalesce(files.task_hash = records.task_hash, true)

),

-- One that both find counts by its hashes: its rank is lower.
candidates as (

    select * from hash_candidates
    union all
    select * from name_candidates

),

best as (

    select *
    from candidates
    qualify attribution_rank = min(attribution_rank) over (
        partition by _batch_id, file, model_hash, task_hash
    )

),

-- What could be of several is of none of them.
attributed as (

    select *
    from best
    qualify attribution_rank <= 2 or (
        min(model_key) over (partition by _batch_id, file, model_hash, task_hash)
        = max(model_key) over (partition by _batch_id, file, model_hash, task_hash)
        and min(task_key) over (partition by _batch_id, file, model_hash, task_hash)
        = max(task_key) over (partition by _batch_id, file, model_hash, task_hash)
    )

)

select * from attributed
