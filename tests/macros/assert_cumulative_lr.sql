-- The sum of the learning rates is published as a trapezoid sum over the steps; here it is a closed
-- form, which has to give the same numbers (spec pretraining, section 6). The two differ most where
-- the decay is short: by 8.1e-7 for 4M at 5000, the only value that is held to 1e-6. There the
-- sum itself must give the published digits, and at every step it must be near the closed form.
with

sizes as (

    select * from {{ ref('model_sizes') }}

),

published as (

    select
        cases.params,
        cases.step,
        cases.expected

    from (
        values
        ('4M', 1250, cast(3.0782790920105083 as double)),
        ('4M', 5725, 41.33407776296192),
        ('4M', 5735, 41.33407776296192),
        ('150M', 10000, 32.94592647246444),
        ('530M', 1250, 0.8181547366408362),
        ('530M', 6250, 13.599030236812395),
        ('530M', 10000, 23.712620317885374),

        ----------  untrained, before that, the first step, the end of the warm-up
        ('4M', 0, 0),
        ('4M', -1, 0),
        ('4M', 1, 0.014413241495775282 / 3658 / 2),
        ('4M', 3658, 0.014413241495775282 * 3658 / 2),
        ('530M', 2641, 0.002765755724119614 * 2641 / 2),

        ----------  constant after the end, where the decay has covered half of its range
        ('4M', 5715, 0.014413241495775282 * (3658 / 2 + 1.01 * 2057 / 2)),
        ('4M', 423865, 0.014413241495775282 * (3658 / 2 + 1.01 * 2057 / 2))
    ) as cases (params, step, expected)

),

published_to_six_decimals as (

    select
        cases.params,
        cases.step,
        cases.expected

    from (
        values
        ('4M', 5725, '41.334078'),
        ('6M', 9182, '56.658428'),
        ('8M', 13039, '71.596411'),
        ('10M', 15117, '79.018685'),
        ('14M', 21953, '101.346897'),
        ('16M', 24432, '108.843649'),
        ('20M', 14584, '61.428828'),
        ('60M', 29042, '85.048331'),
        ('90M', 29901, '73.202100'),
        ('150M', 38157, '81.065259'),
        ('300M', 45787, '77.243526'),
        ('530M', 57786, '80.645634'),
        ('750M', 63589, '79.068619'),
        ('1B', 69369, '78.374513'),
        ('150M', 37500, '81.037204'),
        ('300M', 45000, '77.216851'),
        ('530M', 51250, '80.261798'),
        ('750M', 62500, '79.041367'),
        ('1B', 67500, '78.330323')
    ) as cases (params, step, expected)

),

steps as (

    select
        sizes.params,
        steps.step,
        {{ lr_at_step('steps.step', 'sizes') }} as lr,
        {{ cumulative_lr('steps.step', 'sizes') }} as closed_form

    from sizes
    cross join range(0, 6000) as steps (step)
    where sizes.params = '4M' and steps.step <= sizes.total_steps

),

trapezoids as (

    select
        steps.params,
        steps.step,
        coalesce((steps.lr + lag(steps.lr) over by_step) / 2, 0) as area,
        steps.closed_form

    from steps
    window by_step as (order by steps.step)

),

summed as (

    select
        trapezoids.params,
        trapezoids.step,
        sum(trapezoids.area) over (order by trapezoids.step) as expected,
        trapezoids.closed_form as actual

    from trapezoids

),

computed as (

    select
        published.params,
        published.step,
        cast(published.expected as varchar) as expected,
        {{ cumulative_lr('published.step', 'sizes') }} as actual,
        abs(actual - published.expected) <= 1e-9 * published.expected as is_ok

    from published
    left join sizes on published.params = sizes.params
    union all
    select
        published.params,
        published.step,
        published.expected,
        {{ cumulative_lr('published.step', 'sizes') }} as actual,
        format('{:.6f}', actual) = published.expected as is_ok

    from published_to_six_decimals as published
    left join sizes on published.params = sizes.params
    union all
    select
        summed.params,
        summed.step,
        cast(summed.expected as varchar) as expected,
        summed.actual,
        abs(summed.actual - summed.expected) < 1e-6 as is_ok

    from summed
    union all
    select
        summed.params,
        summed.step,
        '40.27595221231704' as expected,
        summed.expected as actual,
        abs(summed.expected - cast(40.27595221231704 as double)) < 1e-10 as is_ok

    from summed
    where summed.step = 5000
    union all
    -- A step that is not known has no sum.
    select
        sizes.params,
        null as step,
        null as expected,
        {{ cumulative_lr('cast(null as bigint)', 'sizes') }} as actual,
        actual is null as is_ok

    from sizes

)

select * from computed
where is_ok is distinct from true
