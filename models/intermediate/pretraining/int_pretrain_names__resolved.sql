with

evals as (

    select * from {{ ref('stg_huggingface__evals') }}

),

macro_avgs as (

    select * from {{ ref('stg_huggingface__macro_avgs') }}

),

ppl as (

    select * from {{ ref('stg_huggingface__ppl') }}

),

recipes as (

    select * from {{ ref('recipe_registry') }}

),

seeds as (

    select * from {{ ref('training_seeds') }}

),

sizes as (

    select * from {{ ref('int_model_sizes__derived') }}

),

names as (

    select
        evals.params,
        evals.recipe_raw,
        evals.seed_raw

    from evals
    union
    select
        macro_avgs.params,
        macro_avgs.recipe_raw,
        macro_avgs.seed_raw

    from macro_avgs
    union
    select
        ppl.params,
        ppl.recipe_raw,
        ppl.seed_raw

    from ppl

),

-- What is unknown keeps its own name, and is listed by a test.
resolved as (

    select
        names.params,
        names.recipe_raw,
        names.seed_raw,
        coalesce(recipes.recipe, names.recipe_raw) as recipe,
        coalesce(seeds.seed, names.seed_raw) as seed,
        recipes.recipe is not null as is_known_recipe,
        seeds.seed is not null as is_known_seed,
        sizes.params is not null as is_known_size

    from names
    left join recipes
        on {{ normalise_recipe_name('names.recipe_raw') }} = recipes.normalised_name
    left join seeds on lower(trim(names.seed_raw)) = seeds.seed
    left join sizes on names.params = sizes.params

)

select * from resolved
