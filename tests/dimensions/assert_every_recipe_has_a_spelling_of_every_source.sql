-- An older slug map held 11 of the 25 recipes and turned the others into null; another was built
-- from the wrong side and was empty. So each recipe needs its canonical name and its name in each
-- of the four namespaces among the aliases, as the recipes table has it. Run names are left out:
-- no run has named the four Dolma1.7 ablations so far, and no spelling for them is known.
with

recipes as (

    select * from {{ ref('recipes') }}

),

aliases as (

    select * from {{ ref('recipe_aliases') }}

),

spellings as (

    unpivot (
        select
            recipe,
            recipe as display_variant,
            mix_name,
            tar_name,
            hf_slug,
            normalised_name

        from recipes
    )
    on display_variant, mix_name, tar_name, hf_slug, normalised_name
    into name used_by value spelling

),

without_alias as (

    select
        spellings.recipe,
        spellings.used_by,
        spellings.spelling

    from spellings
    left join aliases
        on
            spellings.spelling = aliases.alias
            and spellings.recipe = aliases.recipe
            and list_contains(aliases.sources, spellings.used_by)
    where aliases.alias is null

),

without_run_name as (

    select
        recipes.recipe,
        'run_name' as used_by,
        cast(null as varchar) as spelling

    from recipes
    left join aliases
        on
            recipes.recipe = aliases.recipe
            and list_contains(aliases.sources, 'run_name')
    where
        aliases.alias is null
        and recipes.recipe not like 'Dolma1.7 (no %)'

)

select * from without_alias
union all by name
select * from without_run_name
