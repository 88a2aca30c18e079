-- list_position() finds a null: where all values were missing, the first choice was the answer.
with

cases as (

    select
        cases.name,
        cast(cases.scores as double[]) as scores,
        cases.highest,
        cases.lowest

    from (
        values
        ('one', ['-3'], 0, 0),
        ('in order', ['1', '2', '3'], 2, 0),
        ('level: the first', ['-1', '-2', '-1', '-2'], 0, 1),
        ('no number is the highest', ['1', 'nan', '3'], 1, 0),
        ('impossible', ['-inf', '-5'], 1, 0),
        ('missing value', ['-1', null], null, null),
        ('only missing', [null, null], null, null),
        ('empty', [], null, null),
        ('no list', null, null, null)
    ) as cases (name, scores, highest, lowest)

),

computed as (

    select
        cases.*,
        {{ index_of_best('cases.scores') }} as actual_highest,
        {{ index_of_best('cases.scores', 'list_min') }} as actual_lowest

    from cases

)

select * from computed
where actual_highest is distinct from highest or actual_lowest is distinct from lowest
