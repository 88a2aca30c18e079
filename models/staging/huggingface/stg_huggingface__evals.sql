{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ set_landed_files(
        'huggingface', 'evals', 'models/base/huggingface/empty/evals.parquet'
    ) }}"
) }}

with

landed as (

    select * from {{ ref('base_huggingface__evals') }}

),

-- Parsed once: the text is 1.4 kB a row.
typed as (

    {{ typed_evals('landed') }}

)

select * from typed
