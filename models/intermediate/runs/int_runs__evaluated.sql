{{ config(materialized = 'view') }}

with

evals as (

    select * from {{ ref('int_evals__parsed') }}

),

evaluated as (

    select distinct evals.run_path
    from evals
    where evals.reported_value is not null

)

select * from evaluated
