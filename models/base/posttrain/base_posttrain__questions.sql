{{ config(materialized = 'ephemeral') }}

{{ landed_rows(source('posttrain', 'questions')) }}
