with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

-- The run id is classified; the display name only where the id matches no pattern.
names as (

    select
        runs.run_path,
        runs.run_id as name,
        1 as name_rank,
        'run_id' as name_source
    from runs
    union all
    select
        runs.run_path,
        runs.run_name as name,
        2 as name_rank,
        'run_name' as name_source
    from runs
    where runs.run_name != runs.run_id

),

matches as (

    {{ match_run_names('names', 'run_path', 'name') }}

),

matches_by_name as (

    select
        matches.run_path,
        matches.name,
        count(*) as n_matching_patterns,
        list(matches.pattern_name order by matches.priority) as matching_patterns

    from matches
    group by all

),

best_matches as (

    select
        names.name_source,
        matches.*
    from matches
    inner join names on matches.run_path = names.run_path and matches.name = names.name
    qualify row_number() over (
        partition by matches.run_path order by names.name_rank, matches.priority
    ) = 1

),

legacy_names as (

    select names.*
    from names
    where {{ is_legacy_run_name('names.name') }}
    qualify row_number() over (partition by names.run_path order by names.name_rank) = 1

),

classified as (

    select
        ----------  ids
        runs.run_path,
        runs.entity,
        runs.project,
        runs.run_id,

        ----------  classification
        coalesce(best_matches.name, legacy_names.name, runs.run_id) as classified_name,
        coalesce(
            best_matches.name_source, legacy_names.name_source, 'run_id'
        ) as classified_name_source,
        case
            when best_matches.run_type is not null then best_matches.run_type
            when legacy_names.name is not null then 'old'
            else 'other'
        end as run_type,
        best_matches.pattern_name,
        coalesce(matches_by_name.n_matching_patterns, 0) as n_matching_patterns,
        coalesce(matches_by_name.matching_patterns, []) as matching_patterns,
        coalesce(matches_by_name.n_matching_patterns, 0) > 1 as is_ambiguous,
        '{{ run_name_parser_version() }}' as parser_version,

        ----------  captured text
        {%- for field in run_name_fields() %}
        best_matches.{{ field }}_text{{ ',' if not loop.last }}
        {%- endfor %}

    from runs
    left join best_matches on runs.run_path = best_matches.run_path
    left join matches_by_name
        on best_matches.run_path = matches_by_name.run_path
        and best_matches.name = matches_by_name.name
    left join legacy_names on runs.run_path = legacy_names.run_path

)

select * from classified
