{{ config(materialized = 'ephemeral') }}

{{ landed_rows(source('huggingface', 'scaling_law_fits'), numbered = true) }}
