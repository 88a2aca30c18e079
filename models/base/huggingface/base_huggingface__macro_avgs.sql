{{ config(materialized = 'ephemeral') }}

{{ landed_rows(source('huggingface', 'macro_avg'), numbered = true) }}
