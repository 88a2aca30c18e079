-- Dashboards once drew the learning rate of a matched checkpoint from a schedule with the wrong
-- peak. The values are those of the published analysis columns (spec pretraining, section 6), with
-- all their digits, or with the few that its table gives.
-- The sum of the learning rates is published as a trapezoid sum over the steps; here it is a closed
-- form, which has to give the same numbers. The two differ most where the decay is short: by 8.1e-7
-- for 4M at 5000, the only value that is held to 1e-6. There the sum itself must give the published
-- digits, and at every step it must be near the closed form.
with

sizes as (

    select * from {{ ref('model_sizes') }}

),

-- Null is what is not published; 4M and 530M stand for short and long decays.
published as (

    select
        cases.params,
        cases.step,
        cases.lr,
        cases.lr_sum

    from (
        values
        ('4M', 1250, cast(0.004925246547216813 as double), cast(3.0782790920105083 as double)),
        ('4M', 5000, 0.003991701678363142, null),
        ('4M', 5725, 0.00014413241495775283, 41.33407776296192),
        ('4M', 5735, 0.00014413241495775283, 41.33407776296192),
        ('150M', 10000, 0.003908599948609734, 32.94592647246444),
        ('530M', 1250, 0.001309047578625338, 0.8181547366408362),
        ('530M', 6250, 0.0027368998806870724, 13.599030236812395),
        ('530M', 10000, 0.0026471094358745807, 23.712620317885374),

        ----------  untrained, before that, the first step, the peak at the end of the warm-up
        ('4M', 0, 0, 0),
        ('1B', 0, 0, 0),
        ('4M', -1, null, 0),
        ('4M', 1, 0.014413241495775282 / 3658, 0.014413241495775282 / 3658 / 2),
        ('4M', 3658, 0.014413241495775282, 0.014413241495775282 * 3658 / 2),
        ('530M', 2641, 0.002765755724119614, 0.002765755724119614 * 2641 / 2),
        ('1B', 2018, 0.0022382354832751615, 0.0022382354832751615 * 2018 / 2),

        ----------  the end of the decay, which has covered half of its range, and long after it
        (
            '4M', 5715, 0.00014413241495775283,
            0.014413241495775282 * (3658 / 2 + 1.01 * 2057 / 2)
        ),
        (
            '4M', 423865, 0.00014413241495775283,
            0.014413241495775282 * (3658 / 2 + 1.01 * 2057 / 2)
        ),
        ('150M', 423865, 0.00004212520461763735, null),
        ('1B', 10000000, 0.000022382354832751615, null)
    ) as cases (params, step, lr, lr_sum)

),

-- Ten digits of the rate, six decimals of the sum.
published_rounded as (

    select
        cases.params,
        cases.step,
        cases.lr,
        cases.lr_sum

    from (
        values
        ('4M', 5725, '0.000144132415', '41.334078'),
        ('6M', 9182, '0.000123103323', '56.658428'),
        ('8M', 13039, '0.0001095089606', '71.596411'),
        ('10M', 15117, '0.0001042367978', '79.018685'),
        ('14M', 21953, '9.204154344e-05', '101.346897'),
        ('16M', 24432, '8.88159973e-05', '108.843649'),
        ('20M', 14584, '8.372985613e-05', '61.428828'),
        ('60M', 29042, '5.813207549e-05', '85.048331'),
        ('90M', 29901, '4.855596566e-05', '73.202100'),
        ('150M', 38157, '4.212520462e-05', '81.065259'),
        ('300M', 45787, '3.343479706e-05', '77.243526'),
        ('530M', 57786, '2.765755724e-05', '80.645634'),
        ('750M', 63589, '2.463496911e-05', '79.068619'),
        ('1B', 69369, '2.238235483e-05', '78.374513'),
        ('150M', 37500, '4.583349777e-05', '81.037204'),
        ('300M', 45000, '3.611987794e-05', '77.216851'),
        ('530M', 51250, '0.0001209737894', '80.261798'),
        ('750M', 62500, '2.649784229e-05', '79.041367'),
        ('1B', 67500, '2.654633024e-05', '78.330323')
    ) as cases (params, step, lr, lr_sum)

),

-- Every step of the shortest training, its rates summed as trapezoids.
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
        sum(trapezoids.area) over (order by trapezoids.step) as trapezoid_sum,
        trapezoids.closed_form

    from trapezoids

),

computed as (

    {%- for value, macro, rounded in [
        ('lr', lr_at_step, '{:.10g}'), ('lr_sum', cumulative_lr, '{:.6f}')
    ] %}
    select
        '{{ value }}' as compared,
        published.params,
        published.step,
        cast(published.{{ value }} as varchar) as expected,
        {{ macro('published.step', 'sizes') }} as actual,
        abs(actual - published.{{ value }}) <= 1e-9 * published.{{ value }} as is_ok

    from published
    left join sizes on published.params = sizes.params
    where published.{{ value }} is not null
    union all
    select
        '{{ value }}, rounded' as compared,
        published_rounded.params,
        published_rounded.step,
        published_rounded.{{ value }} as expected,
        {{ macro('published_rounded.step', 'sizes') }} as actual,
        format('{{ rounded }}', actual) = published_rounded.{{ value }} as is_ok

    from published_rounded
    left join sizes on published_rounded.params = sizes.params
    union all
    -- A step that is not known has no learning rate and no sum.
    select
        '{{ value }} of no step' as compared,
        sizes.params,
        null as step,
        null as expected,
        {{ macro('cast(null as bigint)', 'sizes') }} as actual,
        actual is null as is_ok

    from sizes
    union all
    {%- endfor %}
    select
        'closed form' as compared,
        summed.params,
        summed.step,
        cast(summed.trapezoid_sum as varchar) as expected,
        summed.closed_form as actual,
        abs(summed.closed_form - summed.trapezoid_sum) < 1e-6 as is_ok

    from summed
    union all
    select
        'trapezoid sum' as compared,
        summed.params,
        summed.step,
        '40.27595221231704' as expected,
        summed.trapezoid_sum as actual,
        abs(summed.trapezoid_sum - cast(40.27595221231704 as double)) < 1e-10 as is_ok

    from summed
    where summed.step = 5000

)

select * from computed
where is_ok is distinct from true
