{{ config(materialized = 'view') }}

with

scored as not materialized (

    select * from {{ ref('int_instance_questions__scored') }}

),

recipes as (

    select * from {{ ref('recipe_registry') }}

),

seeds as (

    select * from {{ ref('training_seeds') }}

),

named as (

    select
        coalesce(recipes.recipe, scored.tar_name) as recipe,
        coalesce(seeds.seed, 'seed ' || scored.seed_number) as seed,
        scored.* exclude (predictions_sha256, task_hash, model_hash, outputs)

    from scored
    left join recipes on lower(scored.tar_name) = lower(recipes.tar_name)
    left join seeds on scored.seed_number = seeds.instance_number
    where scored.predictions_sha256 is null

)

select * from named
