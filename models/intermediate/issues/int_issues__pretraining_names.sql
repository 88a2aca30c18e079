{{ config(materialized = 'view') }}

with

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

evals as (

    select distinct task from {{ ref('int_pretrain_evals__identified') }}

),

fits as (

    select distinct
        mix,
        recipe,
        task,
        metric
    from {{ ref('int_scaling_law_fits__parsed') }}

),

tasks as (

    select * from {{ ref('task_registry') }}

),

unknown as (

    {%- for flag, column in [
        ('is_known_recipe', 'recipe_raw'), ('is_known_seed', 'seed_raw'),
        ('is_known_size', 'params'),
    ] %}
    select
        'results' as published_as,
        '{{ column }}' as field,
        names.{{ column }} as value

    from names
    where not names.{{ flag }}
    union
    {%- endfor %}
    select
        'evaluations' as published_as,
        'task' as field,
        evals.task as value

    from evals
    anti join tasks on evals.task = tasks.task
    union
    select
        'fits' as published_as,
        'mix' as field,
        fits.mix as value

    from fits
    anti join {{ ref('recipe_registry') }} as recipes on fits.recipe = recipes.recipe
    union
    select
        'fits' as published_as,
        'task' as field,
        fits.task as value

    from fits
    anti join tasks on fits.task = tasks.task
    union
    select
        'fits' as published_as,
        'metric' as field,
        fits.metric as value

    from fits
    anti join {{ ref('metric_registry') }} as metrics on fits.metric = metrics.metric

),

issues as (

    select
        'unknown_pretraining_name' as kind,
        unknown.published_as || ': ' || unknown.value as subject,
        unknown.field,
        unknown.value,
        null as detail

    from unknown

)

select * from issues
