{{ config(materialized = 'ephemeral') }}

with

landed as (

    select * from {{ source('huggingface', 'macro_avg') }}

),

files as (

    select * from {{ ref('base_landing__files') }}

),

located as (

    select
        landed.params,
        landed.data,
        landed.seed,
        landed.step,
        landed.task,
        landed.chinchilla,
        landed.tokens,
        landed.compute,
        landed.metrics,
        files.path as _source_file,
        landed.file_row_number as _row_number,
        files.landed_at as _landed_at

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
