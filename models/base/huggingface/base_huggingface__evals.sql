{{ config(materialized = 'ephemeral') }}

{{ landed_rows(source('huggingface', 'evals'), numbered = true) }}
