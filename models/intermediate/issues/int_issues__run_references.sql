{{ config(materialized = 'view') }}

with

checkpoints as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

comparisons as (

    select * from {{ ref('int_runs__comparisons_resolved') }}

),

recipes as (

    select * from {{ ref('recipe_registry') }}

),

sizes as (

    select * from {{ ref('model_size_registry') }}

),

metrics as (

    select * from {{ ref('metric_registry') }}

),

-- What a run says of the checkpoint it started from, and of the model it is matched to.
named as (

    {%- for side, relation in [('ckpt', 'checkpoints'), ('comparison', 'comparisons')] %}
    select
        {{ relation }}.run_path,
        '{{ side }}' as side,
        {{ relation }}.{{ side }}_recipe as recipe,
        {{ relation }}.{{ side }}_params as params

    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

issues as (

    select
        'unknown_recipe' as kind,
        named.run_path as subject,
        named.side || '_recipe' as field,
        named.recipe as value

    from named
    anti join recipes on named.recipe = recipes.recipe
    where named.recipe is not null
    union all
    select
        'unknown_size' as kind,
        named.run_path as subject,
        named.side || '_params' as field,
        named.params as value

    from named
    anti join sizes on named.params = sizes.params
    where named.params is not null
    union all
    select
        'unknown_comparison_metric' as kind,
        comparisons.run_path as subject,
        'comparison_metric' as field,
        comparisons.comparison_metric as value

    from comparisons
    anti join metrics on comparisons.comparison_metric = metrics.metric
    where comparisons.comparison_metric is not null

)

select * from issues
