{{ config(
    error_if = '> ' ~ var('max_unknown_overlaps'),
    warn_if = '> ' ~ var('max_unknown_overlaps'),
) }}

-- A later order of the patterns tried FT before MATCHED and typed two real matched runs as
-- simple_ft_vary_tokens. Which patterns overlap is known and written down; a new overlap means that
-- a new pattern needs a look.
with

classified as (

    select * from {{ ref('run_classifications') }}

),

overlapping as (

    select
        classified.run_path,
        classified.pattern_name,
        unnest(classified.matching_patterns) as also_matches

    from classified
    where classified.is_ambiguous

)

select overlapping.*
from overlapping
anti join {{ ref('run_name_overlaps') }} as known
    on overlapping.pattern_name = known.pattern_name
    and overlapping.also_matches = known.also_matches
where overlapping.pattern_name != overlapping.also_matches
