-- Like sorted_avg, for the sample standard deviation: the same whatever the order, null for one
-- value and for none.
with

cases as (

    select
        rows_of_groups.name,
        rows_of_groups.value,
        rows_of_groups.expected

    from (
        values
        ('ascending', cast(0.1 as double), cast(0.1 as double)),
        ('ascending', 0.2, 0.1),
        ('ascending', 0.3, 0.1),
        ('descending', 0.3, 0.1),
        ('descending', 0.2, 0.1),
        ('descending', 0.1, 0.1),
        ('with nulls', null, 0.5),
        ('with nulls', 1, 0.5),
        ('with nulls', 2, 0.5),
        ('with nulls', 1.5, 0.5),
        ('equal', 0.75, 0),
        ('equal', 0.75, 0),
        ('one', 0.1, null),
        ('one and null', 0.1, null),
        ('one and null', null, null),
        ('only null', null, null)
    ) as rows_of_groups (name, value, expected)

),

computed as (

    select
        cases.name,
        any_value(cases.expected) as expected,
        {{ sorted_stddev('cases.value') }} as actual

    from cases
    group by all

),

orders as (

    select count(distinct computed.actual) as n_results
    from computed
    where computed.name in ('ascending', 'descending')

)

select
    name,
    expected,
    actual

from computed
where
    (actual is null) != (expected is null)
    or abs(actual - expected) > 1e-15
union all
select
    'the order matters' as name,
    1 as expected,
    n_results as actual

from orders
where n_results != 1
