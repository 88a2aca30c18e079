{{ config(materialized = 'view') }}

with

staged as not materialized (

    select * from {{ ref('stg_huggingface__macro_avgs') }}

),

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

macro_avgs as not materialized (

    select * from staged
    where {{ is_current_revision('staged') }}

),

identified as (

    select
        names.recipe,
        names.params,
        names.seed,
        macro_avgs.step,
        macro_avgs.task,
        macro_avgs.primary_metric

    from macro_avgs
    inner join names
        on macro_avgs.params = names.params
        and macro_avgs.recipe_raw = names.recipe_raw
        and macro_avgs.seed_raw = names.seed_raw

)

select * from identified
