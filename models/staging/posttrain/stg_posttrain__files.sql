with

landed as (

    select * from {{ ref('base_posttrain__files') }}

),

files as (

    select
        ----------  ids
        landed.directory,
        landed.folder,
        landed.folder_model,
        landed.folder_revision,
        landed.dump,
        landed.file,
        landed.kind,
        landed.file_group,
        landed.task_name,

        ----------  content
        landed.bytes as n_bytes,
        landed.sha256,

        ----------  provenance
        landed._source_file,
        landed._batch_id,
        landed._landed_at

    from landed

)

select * from files
