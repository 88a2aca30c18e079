-- Recipes are looked up by exact spelling, tar and directory names without regard to case. The
-- latter needs two things: no two spellings alike but for case that name different recipes, and
-- no two tar names alike but for case.
with

aliases as (

    select * from {{ ref('recipe_aliases') }}

),

spellings as (

    select
        lower(alias) as alias_lower,
        count(distinct recipe) as n_recipes,
        count(*) filter (where list_contains(sources, 'tar_name')) as n_tar_names

    from aliases
    group by all

)

select * from spellings
where n_recipes > 1 or n_tar_names > 1
