-- once_each keeps the first of what is there twice, in the order of the list.
with

cases as (

    select
        fixtures.items,
        fixtures.expected

    from (
        values
        (['b', 'a', 'b', 'c', 'a'], ['b', 'a', 'c']),
        (['a'], ['a']),
        ([], []),
        (null, null)
    ) as fixtures (items, expected)

)

select *
from cases
where {{ once_each('cases.items') }} is distinct from cases.expected
