-- The suite has 25 recipes, and every way of naming them must tell all 25 apart, or a source that
-- uses it would merge two. The pairing of the tar names with `top-` and the display names with QC
-- goes by their numbers alone, so it is asserted here. Tar names are compared without case, for
-- directories inside an archive can differ from its name in case.
with

counts as (

    select
        unnest([
            'rows', 'recipe', 'display_order', 'mix_name', 'tar_name', 'hf_slug', 'normalised_name'
        ]) as counted,
        unnest([
            count(*),
            count(distinct recipe),
            count(distinct display_order),
            count(distinct mix_name),
            count(distinct lower(tar_name)),
            count(distinct hf_slug),
            count(distinct normalised_name)
        ]) as n_distinct

    from {{ ref('recipes') }}

)

select * from counts
where n_distinct != 25
