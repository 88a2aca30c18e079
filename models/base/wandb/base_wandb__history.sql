{{ config(pre_hook = "{{ set_landed_files('wandb', 'history') }}") }}

with

landed as (

    select * from {{ source('wandb', 'history') }}

),

files as (

    select * from {{ ref('base_landing__files') }}

),

located as (

    select
        files.entity,
        files.project,
        landed.* exclude (filename),
        files.path as _source_file,
        files.batch_id as _batch_id,
        coalesce(files.exported_at, files.landed_at) || files.landed_at as _batch_order

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
