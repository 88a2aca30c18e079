-- The normalised name of a recipe is what the algorithm makes of its canonical name, and the
-- normalised form of any spelling leads to one recipe: mix names can be matched without regard to
-- hyphen, underscore and case.
with

recipes as (

    select * from {{ ref('recipes') }}

),

aliases as (

    select * from {{ ref('recipe_aliases') }}

),

unlike_the_algorithm as (

    select
        recipe as spelling,
        normalised_name || ' is not what the algorithm makes of it' as problem

    from recipes
    where normalised_name is distinct from {{ normalise_recipe_name('recipe') }}

),

ambiguous as (

    select
        normalised_alias as spelling,
        'names ' || string_agg(distinct recipe, ' and ') as problem

    from aliases
    group by normalised_alias
    having normalised_alias is null or count(distinct recipe) > 1

)

select * from unlike_the_algorithm
union all by name
select * from ambiguous
