-- The probabilities of long answers are 0 below exp(-745), and so was their sum: shares of the
-- right choice became NaN for the tasks with the longest answers. A missing value once counted as
-- none, so that the sum of the others looked like that of all.
with

cases as (

    select
        cases.name,
        cast(cases.logits as double[]) as logits,
        cases.expected_log,
        cases.expected_total

    from (
        values
        ('one', [-0.5], cast(-0.5 as double), cast(0.6065306597126334 as double)),
        ('certain', [0], 0, 1),
        ('two halves', [ln(0.5), ln(0.5)], 0, 1),
        ('below exp', [-1000, -1000], -1000 + ln(2), 0),
        ('far apart', [-2000, -1], -1, 0.36787944117144233),
        ('far below exp', [-99999, -99990], -99990 + ln(1 + exp(-9)), 0),
        ('above 0', [800, 800], 800 + ln(2), null),
        ('impossible choice', [cast('-inf' as double), -1], -1, 0.36787944117144233),
        ('all impossible', [cast('-inf' as double), cast('-inf' as double)], '-inf', 0),
        ('no number', [cast('nan' as double), -1], 'nan', 'nan'),
        ('refused', [-999, -999, -999, -999], -999 + ln(4), 0),
        ('missing value', [-1, null], null, null),
        ('only missing', [null, null], null, null),
        ('empty', [], null, null),
        ('no list', null, null, null)
    ) as cases (name, logits, expected_log, expected_total)

),

computed as (

    select
        cases.*,
        {{ log_sum_exp('cases.logits') }} as actual_log,
        {{ total_probability('cases.logits') }} as actual_total

    from cases

)

select * from computed
where
    (actual_log is null) != (expected_log is null)
    or (
        actual_log != expected_log
        and abs(actual_log - expected_log) > 1e-12 * abs(expected_log) + 1e-15
    )
    or (
        name != 'above 0'
        and (
            (actual_total is null) != (expected_total is null)
            or (actual_total != expected_total and abs(actual_total - expected_total) > 1e-15)
        )
    )
