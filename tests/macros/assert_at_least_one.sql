-- greatest(null, 1) is 1: an answer of unknown length was divided by one character.
with

cases as (

    select
        cases.count,
        cases.expected

    from (
        values
        (0, 1),
        (-1, 1),
        (1, 1),
        (33, 33),
        (null, null)
    ) as cases (count, expected)

)

select
    cases.*,
    {{ at_least_one('cases.count') }} as actual

from cases
where actual is distinct from expected
