-- Two patterns of one name, or two lines that expand to one expression, would make the place in the
-- list decide by accident: the second could never win.
with

patterns as (

    select unnest([
        {%- for pattern_name, _, template in run_name_patterns() %}
        {'kind': 'name', 'value': '{{ pattern_name }}', 'priority': {{ loop.index }}},
        {'kind': 'regex', 'value': '{{ expand_run_name_pattern(template).regex }}',
         'priority': {{ loop.index }}}{{ ',' if not loop.last }}
        {%- endfor %}
    ], recursive := true)

),

repeated as (

    select
        patterns.kind,
        patterns.value,
        list(patterns.priority order by patterns.priority) as priorities

    from patterns
    group by all
    having count(*) > 1

)

select * from repeated
