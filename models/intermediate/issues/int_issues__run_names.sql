{{ config(materialized = 'view') }}

with

classified as (

    select * from {{ ref('int_runs__classified') }}

),

nominal as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

unparsed as (

    select * from {{ ref('int_runs__unparsed_values') }}

),

known_overlaps as (

    select * from {{ ref('run_name_overlaps') }}

),

also_matching as (

    select
        classified.run_path,
        classified.classified_name,
        classified.pattern_name,
        unnest(classified.matching_patterns) as also_matches

    from classified
    where classified.is_ambiguous

),

issues as (

    select
        'ambiguous_run_name' as kind,
        also_matching.run_path as subject,
        'pattern_name' as field,
        also_matching.pattern_name || ', ' || also_matching.also_matches as value

    from also_matching
    anti join known_overlaps
        on also_matching.pattern_name = known_overlaps.pattern_name
        and also_matching.also_matches = known_overlaps.also_matches
    where also_matching.pattern_name != also_matching.also_matches
    union all
    select
        'untyped_run' as kind,
        classified.run_path as subject,
        'run_type' as field,
        classified.classified_name as value

    from classified
    where classified.run_type = 'other'
    union all
    select
        if(unparsed.field = 'ckpt_step', 'unresolved_checkpoint_step', 'unparsed_value') as kind,
        unparsed.run_path as subject,
        unparsed.field,
        unparsed.value

    from unparsed
    union all
    select
        'nominal_tokens_out_of_range' as kind,
        nominal.run_path as subject,
        'ft_tokens' as field,
        cast(nominal.ft_tokens as varchar) as value

    from nominal
    where nominal.ft_tokens not between 1e3 and 1e11

)

select * from issues
