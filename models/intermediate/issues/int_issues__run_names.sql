{{ config(materialized = 'view') }}

with

classified as (

    select * from {{ ref('int_runs__classified') }}

),

checkpoints as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

nominal as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

unparsed as (

    select * from {{ ref('int_runs__unparsed_values') }}

),

recipes as (

    select * from {{ ref('recipe_registry') }}

),

sizes as (

    select * from {{ ref('model_size_registry') }}

),

metrics as (

    select * from {{ ref('metric_registry') }}

),

known_overlaps as (

    select * from {{ ref('run_name_overlaps') }}

),

-- What a run says of the checkpoint it started from, and of the model it is matched to.
named as (

    {%- for side in ['ckpt', 'comparison'] %}
    select
        checkpoints.run_path,
        '{{ side }}' as side,
        checkpoints.{{ side }}_recipe as recipe,
        checkpoints.{{ side }}_params as params

    from checkpoints
    {{ 'union all' if not loop.last }}
    {%- endfor %}

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
        'unknown_recipe' as kind,
        named.run_path as subject,
        named.side || '_recipe' as field,
        named.recipe as value

    from named
    anti join recipes on named.recipe = recipes.recipe
    where named.recipe is not null
    union all
    select
        'unknown_size' as kind,
        named.run_path as subject,
        named.side || '_params' as field,
        named.params as value

    from named
    anti join sizes on named.params = sizes.params
    where named.params is not null
    union all
    select
        'unknown_comparison_metric' as kind,
        checkpoints.run_path as subject,
        'comparison_metric' as field,
        checkpoints.comparison_metric as value

    from checkpoints
    anti join metrics on checkpoints.comparison_metric = metrics.metric
    where checkpoints.comparison_metric is not null
    union all
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
