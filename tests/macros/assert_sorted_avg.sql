-- Means of the same values differed in their last bit from build to build, with the order in which
-- two threads came by: 0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1.
with

cases as (

    select
        rows_of_groups.name,
        rows_of_groups.value,
        rows_of_groups.expected

    from (
        values
        ('ascending', cast(0.1 as double), cast(0.20000000000000004 as double)),
        ('ascending', 0.2, 0.20000000000000004),
        ('ascending', 0.3, 0.20000000000000004),
        ('descending', 0.3, 0.20000000000000004),
        ('descending', 0.2, 0.20000000000000004),
        ('descending', 0.1, 0.20000000000000004),
        ('with nulls', null, 0.20000000000000004),
        ('with nulls', 0.3, 0.20000000000000004),
        ('with nulls', 0.2, 0.20000000000000004),
        ('with nulls', null, 0.20000000000000004),
        ('with nulls', 0.1, 0.20000000000000004),
        ('negative', -0.25, -0.125),
        ('negative', 0, -0.125),
        ('one', 0.1, 0.1),
        ('only null', null, null)
    ) as rows_of_groups (name, value, expected)

),

averaged as (

    select
        cases.name,
        any_value(cases.expected) as expected,
        {{ sorted_avg('cases.value') }} as actual

    from cases
    group by all

)

select * from averaged
where actual is distinct from expected
