with

records as (

    select * from {{ ref('int_posttrain_records__identified') }}

),

files as (

    select * from {{ ref('int_posttrain_files__attributed') }}

),

-- A record is found where it stands, and in the other files of its call.
places as (

    select
        records.evaluation_id,
        records.directory || '/' || records.file as path

    from records
    union
    select
        files.evaluation_id,
        files.directory || '/' || files.file as path

    from files

),

paths as (

    select
        places.evaluation_id,
        list(places.path order by places.path) as paths

    from places
    group by all

),

summaries as (

    select
        records.evaluation_id,
        list(distinct records.task_idx order by records.task_idx)
            filter (where records.task_idx is not null) as task_idxs,
        count(distinct struct_pack(
            directory := records.directory, file := records.file, line := records.line
        )) as n_records,
        bool_or(records.line is null) as has_own_file,
        max(records.dump) as newest_dump,
        min(records._landed_at) as first_landed_at,
        max(records._landed_at) as last_landed_at

    from records
    group by all

),

deduplicated as (

    select
        records.* exclude (
            task_idx, directory, dump, file, line, _source_file, _batch_id, _landed_at
        ),
        summaries.* exclude (evaluation_id),
        paths.paths,
        len(paths.paths) as n_paths

    from records
    inner join summaries on records.evaluation_id = summaries.evaluation_id
    inner join paths on records.evaluation_id = paths.evaluation_id
    qualify row_number() over (
        partition by records.evaluation_id
        order by records._landed_at, records.directory, records.file, records.line
    ) = 1

)

select * from deduplicated
