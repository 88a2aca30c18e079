{{ config(
    error_if = '> ' ~ var('max_unknown_pretraining_names'),
    warn_if = '> ' ~ var('max_unknown_pretraining_names'),
) }}

-- Unknown recipes, seeds, sizes and tasks pass through under their own name: an older tool mapped
-- them to null and lost their rows. A new one gets its line in seeds/.
with

tasks as (

    select * from {{ ref('instance_tasks') }}

),

unknown as (

    select distinct
        'recipe' as dimension,
        tasks.tar_name as name

    from tasks
    anti join {{ ref('recipes') }} as recipes on tasks.recipe = recipes.recipe
    union all
    select distinct
        'size' as dimension,
        tasks.params as name

    from tasks
    anti join {{ ref('model_sizes') }} as sizes on tasks.params = sizes.params
    union all
    select distinct
        'seed' as dimension,
        cast(tasks.seed_number as varchar) as name

    from tasks
    anti join {{ ref('seeds') }} as seeds on tasks.seed = seeds.seed
    union all
    select distinct
        'task' as dimension,
        tasks.task as name

    from tasks
    anti join {{ ref('tasks') }} as registry on tasks.task = registry.task

)

select * from unknown
