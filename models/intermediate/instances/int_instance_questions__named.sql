{{ config(materialized = 'view') }}

with

scored as not materialized (

    select * from {{ ref('int_instance_questions__scored') }}

),

names as (

    select * from {{ ref('int_instance_names__resolved') }}

),

-- Inner, as every question has its name: so a filter on a recipe reaches the rows that are read.
named as (

    select
        names.recipe,
        names.seed,
        scored.* exclude (predictions_sha256, task_hash, model_hash, outputs)

    from scored
    inner join names
        on scored.tar_name = names.tar_name
        and scored.params = names.params
        and scored.seed_number = names.seed_number

)

select * from named
