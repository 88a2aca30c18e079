{{ config(pre_hook = "{{ set_landed_files('posttrain', 'outcomes') }}") }}

with

landed as (

    select * from {{ source('posttrain', 'outcomes') }}

),

files as (

    select * from {{ ref('base_landing__files') }}

),

located as (

    select
        landed.* exclude (filename),
        files.path as _source_file,
        files.batch_id as _batch_id,
        files.landed_at as _landed_at

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
