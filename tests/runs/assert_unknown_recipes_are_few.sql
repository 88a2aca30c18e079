{{ config(
    error_if = '> ' ~ var('max_unknown_recipe_spellings'),
    warn_if = '> ' ~ var('max_unknown_recipe_spellings'),
) }}

-- An 11-of-25 map once turned unknown recipes into null, and the runs vanished from every chart.
-- Unknown spellings pass through, flagged; this test LISTS them. A new one goes into
-- seeds/recipe_spellings.csv.
with

runs as (

    select * from {{ ref('runs') }}
    where not is_known_recipe

),

spellings as (

    select runs.ckpt_recipe as spelling
    from runs
    union all
    select runs.comparison_recipe as spelling
    from runs

)

select
    spellings.spelling,
    count(*) as n_runs

from spellings
anti join {{ ref('recipes') }} as recipes on spellings.spelling = recipes.recipe
where spellings.spelling is not null
group by all
