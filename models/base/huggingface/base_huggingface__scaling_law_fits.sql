{{ config(materialized = 'ephemeral') }}

with

landed as (

    select * from {{ source('huggingface', 'scaling_law_fits') }}

),

files as (

    select * from {{ ref('base_landing__files') }}

),

located as (

    select
        landed.task,
        landed.mix,
        landed.metric,
        landed.setup,
        landed.step_1_y,
        landed.step_1_pred,
        landed.step_2_y,
        landed.step_2_pred,
        landed.stacked_y,
        landed.stacked_pred,
        landed.decision_acc,
        files.path as _source_file,
        landed.file_row_number as _row_number,
        files.landed_at as _landed_at

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
