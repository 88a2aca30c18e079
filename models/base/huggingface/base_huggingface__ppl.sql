{{ config(materialized = 'ephemeral') }}

with

landed as (

    select * from {{ source('huggingface', 'ppl') }}

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
        {%- for name in perplexity_sets() %}
        landed."eval/{{ name }}-validation/Perplexity",
        {%- endfor %}
        files.path as _source_file,
        landed.file_row_number as _row_number,
        files.landed_at as _landed_at

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
