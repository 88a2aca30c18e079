{{ config(materialized = 'ephemeral') }}

with

landed as (

    {{ landed_rows(source('instances', 'tasks')) }}

),

files as (

    select * from {{ ref('base_landing__files') }}

),

asked as (

    select
        landed.*,
        files.arguments -> '$.tasks' as asked_tasks

    from landed
    inner join files on landed._source_file = files.path

)

select * from asked
