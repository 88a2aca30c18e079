{{ config(materialized = 'view') }}

with

pretraining as (

    select * from {{ ref('int_matches__pretraining_traced') }}

),

finetuning as (

    select * from {{ ref('int_matches__finetuning_traced') }}

),

progressed as (

    select * from pretraining
    union all by name
    select * from finetuning

)

select * from progressed
