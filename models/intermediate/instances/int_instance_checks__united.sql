{{ config(materialized = 'view') }}

with

by_task as (

    select * from {{ ref('int_instance_checks__by_task') }}

),

by_checkpoint as (

    select * from {{ ref('int_instance_checks__by_checkpoint') }}

),

united as (

    select * from by_task
    union all by name
    select * from by_checkpoint

)

select * from united
