{{ config(
    error_if = '> ' ~ var('max_unknown_recipe_spellings'),
    warn_if = '> ' ~ var('max_unknown_recipe_spellings'),
) }}

-- An 11-of-25 map once turned unknown recipes into null, and the runs vanished from every chart.
-- Unknown spellings pass through, flagged; this test LISTS them. A new one goes into
-- seeds/recipe_spellings.csv.
select
    spellings.spelling,
    count(*) as n_runs

from (
    select checkpoints.ckpt_recipe_raw as spelling
    from {{ ref('int_runs__checkpoints_resolved') }} as checkpoints
    where not checkpoints.is_known_ckpt_recipe
    union all
    select checkpoints.comparison_recipe as spelling
    from {{ ref('int_runs__checkpoints_resolved') }} as checkpoints
    where not checkpoints.is_known_comparison_recipe
) as spellings
group by all
