{{ config(materialized = 'ephemeral') }}

{{ landed_rows(source('instances', 'questions')) }}
