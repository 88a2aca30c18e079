{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ set_landed_files(
        'huggingface', 'macro_avg', 'models/base/huggingface/empty/macro_avg.parquet'
    ) }}"
) }}

{{ typed_evals(ref('base_huggingface__macro_avgs')) }}
