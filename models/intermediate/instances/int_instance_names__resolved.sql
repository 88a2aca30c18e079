with

tasks as (

    select distinct
        tar_name,
        params,
        seed_number

    from {{ ref('stg_instances__tasks') }}

),

recipes as (

    select * from {{ ref('recipe_registry') }}

),

seeds as (

    select * from {{ ref('training_seeds') }}

),

sizes as (

    select * from {{ ref('model_size_registry') }}

),

-- What is unknown keeps its own name.
resolved as (

    select
        tasks.tar_name,
        tasks.params,
        tasks.seed_number,
        coalesce(recipes.recipe, tasks.tar_name) as recipe,
        coalesce(seeds.seed, 'seed ' || tasks.seed_number) as seed,
        if(recipes.recipe is null, 0, 1) + if(sizes.params is null, 0, 1)
        + if(seeds.seed is null, 0, 1) as n_known_names

    from tasks
    left join sizes on tasks.params = sizes.params
    left join recipes on lower(tasks.tar_name) = lower(recipes.tar_name)
    left join seeds on tasks.seed_number = seeds.instance_number

)

select * from resolved
