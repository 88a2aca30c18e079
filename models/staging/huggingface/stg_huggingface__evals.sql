{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ set_landed_files(
        'huggingface', 'evals', 'models/base/huggingface/empty/evals.parquet'
    ) }}"
) }}

{{ typed_evals(ref('base_huggingface__evals')) }}
