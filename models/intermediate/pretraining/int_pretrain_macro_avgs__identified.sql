{{ config(materialized = 'view') }}

with

staged as not materialized (

    select * from {{ ref('stg_huggingface__macro_avgs') }}

),

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

macro_avgs as (

    {{ identified_rows('staged', 'names') }}

),

identified as (

    select
        macro_avgs.recipe,
        macro_avgs.params,
        macro_avgs.seed,
        macro_avgs.step,
        macro_avgs.task,
        macro_avgs.primary_metric

    from macro_avgs

)

select * from identified
