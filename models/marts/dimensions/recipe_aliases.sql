with

spellings as (

    select * from {{ ref('recipe_spellings') }}

),

aliases as (

    select
        alias,
        recipe,
        source,
        string_split(sources, '|') as sources,
        {{ normalise_recipe_name('alias') }} as normalised_alias

    from spellings

)

select * from aliases
