{{ config(materialized = 'ephemeral') }}

{{ landed_rows(source('huggingface', 'ppl'), numbered = true) }}
