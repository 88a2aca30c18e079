{{ config(materialized = 'view') }}

with

runs as (

    select * from {{ ref('int_runs__classified') }}

),

recipe_spellings as (

    select * from {{ ref('recipe_spellings') }}

),

with_defaults as (

    select
        runs.run_path,
        trim(runs.comparison_recipe_text) as comparison_recipe_raw,
        case
            when runs.run_type = 'matched' then coalesce(
                trim(runs.comparison_recipe_text), '{{ var("default_comparison_recipe") }}'
            )
        end as recipe_text,
        case
            when runs.comparison_recipe_text is not null then 'run_id'
            when runs.run_type = 'matched' then 'default'
        end as comparison_recipe_source,
        runs.comparison_params_text as comparison_params,
        runs.comparison_metric_text as comparison_metric_raw,
        case
            when runs.run_type = 'matched' then coalesce(
                runs.comparison_metric_text, '{{ var("default_comparison_metric") }}'
            )
        end as perplexity_set,
        case
            when runs.comparison_metric_text is not null then 'run_id'
            when runs.run_type = 'matched' then 'default'
        end as comparison_metric_source

    from runs

),

resolved as (

    select
        with_defaults.run_path,
        with_defaults.comparison_recipe_raw,
        with_defaults.comparison_recipe_source,
        coalesce(recipe_spellings.recipe, with_defaults.recipe_text) as comparison_recipe,
        recipe_spellings.recipe is not null or with_defaults.recipe_text is null
            as is_known_comparison_recipe,
        with_defaults.comparison_params,
        with_defaults.comparison_metric_raw,
        with_defaults.comparison_metric_source,
        case
            when ends_with(with_defaults.perplexity_set, '-valppl')
                then with_defaults.perplexity_set
            {%- for alias, perplexity_set in var('comparison_metric_aliases').items() %}
            when with_defaults.perplexity_set = '{{ alias }}' then '{{ perplexity_set }}-valppl'
            {%- endfor %}
            else with_defaults.perplexity_set || '-valppl'
        end as comparison_metric

    from with_defaults
    left join recipe_spellings on with_defaults.recipe_text = recipe_spellings.alias

)

select * from resolved
