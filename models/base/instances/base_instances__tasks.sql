{{ config(materialized = 'ephemeral') }}

{{ landed_rows(
    source('instances', 'tasks'), also = ["files.arguments -> '$.tasks' as asked_tasks"]
) }}
