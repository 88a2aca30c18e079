{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ set_landed_files(
        'huggingface',
        'scaling_law_fits',
        'models/base/huggingface/empty/scaling_law_fits.parquet'
    ) }}"
) }}

with

landed as (

    select * from {{ ref('base_huggingface__scaling_law_fits') }}

),

fits as (

    select
        ----------  ids
        landed.task,
        landed.mix,
        landed.metric,
        landed.setup,

        ----------  fits
        landed.step_1_y,
        landed.step_1_pred,
        landed.step_2_y,
        landed.step_2_pred,
        landed.stacked_y,
        landed.stacked_pred,
        landed.decision_acc as decision_accuracy_pct,

        ----------  provenance
        landed._source_file,
        landed._row_number,
        landed._landed_at

    from landed

)

select * from fits
