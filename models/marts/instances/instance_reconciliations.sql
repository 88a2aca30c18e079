{{ config(materialized = 'view') }}

with

checks as (

    select * from {{ ref('int_instance_checks__united') }}

)

select * from checks
