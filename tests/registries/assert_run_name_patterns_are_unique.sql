-- Two patterns of one name, or two lines that expand to one expression, would make the place in the
-- list decide by accident: the second could never win.
with

patterns as (

    {%- for pattern_name, _, template in run_name_patterns() %}

    select
        unnest(['name', 'regex']) as kind,
        unnest([
            '{{ pattern_name }}',
            '{{ expand_run_name_pattern(template).regex }}'  -- noqa: LT05
        ]) as value,
        {{ loop.index }} as priority
    {{- '\n    union all by name' if not loop.last }}
    {%- endfor %}

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
