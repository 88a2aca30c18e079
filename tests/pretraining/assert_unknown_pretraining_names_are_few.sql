{{ config(
    error_if = '> ' ~ var('max_unknown_pretraining_names'),
    warn_if = '> ' ~ var('max_unknown_pretraining_names'),
) }}

-- depends_on: {{ ref('pretrain_checkpoints') }}
-- Unknown recipes, seeds, sizes and tasks pass through under their own name: an older tool mapped
-- them to null and lost their rows. A new one gets its line in seeds/.
with

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

unknown as (

    select distinct
        'recipe' as dimension,
        names.recipe_raw as name

    from names
    where not names.is_known_recipe
    union all
    select distinct
        'seed' as dimension,
        names.seed_raw as name

    from names
    where not names.is_known_seed
    union all
    select distinct
        'size' as dimension,
        names.params as name

    from names
    where not names.is_known_size
    union all
    select distinct
        'task' as dimension,
        evals.task as name

    from {{ ref('pretrain_evals') }} as evals
    anti join {{ ref('tasks') }} as tasks on evals.task = tasks.task
    union all
    select distinct
        'mix' as dimension,
        fits.mix as name

    from {{ ref('scaling_law_fits') }} as fits
    anti join {{ ref('recipes') }} as recipes on fits.recipe = recipes.recipe
    union all
    select distinct
        'task of a fit' as dimension,
        fits.task as name

    from {{ ref('scaling_law_fits') }} as fits
    anti join {{ ref('tasks') }} as tasks on fits.task = tasks.task
    union all
    select distinct
        'metric of a fit' as dimension,
        fits.metric as name

    from {{ ref('scaling_law_fits') }} as fits
    anti join {{ ref('metrics') }} as metrics on fits.metric = metrics.metric

)

select * from unknown
