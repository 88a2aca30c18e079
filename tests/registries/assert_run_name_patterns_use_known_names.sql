-- What a pattern captures must be a column of the classification, and its type one that the other
-- models know: a misspelt field would be captured and thrown away without a word.
with

patterns as (

    select unnest([
        {%- for pattern_name, run_type, template in run_name_patterns() %}
        {
            'pattern_name': '{{ pattern_name }}',
            'run_type': '{{ run_type }}',
            'fields': [
                {%- for field in expand_run_name_pattern(template).fields %}
                '{{ field }}'{{ ',' if not loop.last }}
                {%- endfor %}
            ]
        }{{ ',' if not loop.last }}
        {%- endfor %}
    ], recursive := true)

),

unknown as (

    select
        patterns.pattern_name,
        patterns.run_type,
        list_filter(
            patterns.fields,
            lambda field: field not in (
                {%- for field in run_name_fields() %}
                '{{ field }}'{{ ',' if not loop.last }}
                {%- endfor %}
            )
        ) as unknown_fields,
        len(patterns.fields) != len(list_distinct(patterns.fields)) as repeats_a_field

    from patterns

)

select * from unknown
where
    run_type not in ('simple_ft', 'simple_ft_vary_tokens', 'matched', 'reduce_type', 'dpo')
    or len(unknown_fields) > 0
    or repeats_a_field
