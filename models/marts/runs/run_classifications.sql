with

classified as (

    select * from {{ ref('int_runs__classified') }}

),

final as (

    select
        classified.run_path,
        classified.entity,
        classified.project,
        classified.run_id,
        classified.classified_name,
        classified.classified_name_source,
        classified.run_type,
        classified.pattern_name,
        classified.n_matching_patterns,
        classified.matching_patterns,
        classified.is_ambiguous,
        classified.parser_version,
        {%- for field in run_name_fields() %}
        classified.{{ field }}_text{{ ',' if not loop.last }}
        {%- endfor %}

    from classified

)

select * from final
order by run_id, pattern_name
