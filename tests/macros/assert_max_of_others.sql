-- Margins and ties are of the best of the other choices, wherever the one stands.
with

cases as (

    select
        cases.name,
        cast(cases.scores as double[]) as scores,
        cases.place,
        cast(cases.expected as double) as expected

    from (
        values
        ('first', ['-1', '-2', '-3'], 1, '-2'),
        ('middle', ['-1', '-2', '-3'], 2, '-1'),
        ('last', ['-1', '-2', '-3'], 3, '-1'),
        ('level', ['-1', '-1'], 1, '-1'),
        ('one is no number', ['-1', 'nan'], 1, 'nan'),
        ('no others', ['-1'], 1, null),
        ('no place', ['-1', '-2'], null, null),
        ('no list', null, 1, null)
    ) as cases (name, scores, place, expected)

),

computed as (

    select
        cases.*,
        {{ max_of_others('cases.scores', 'cases.place') }} as actual

    from cases

)

select * from computed
where actual is distinct from expected
