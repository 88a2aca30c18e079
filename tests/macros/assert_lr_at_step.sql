-- Dashboards once drew the learning rate of a matched checkpoint from a schedule with the wrong
-- peak. The values are those of the published analysis columns (spec pretraining, section 6), with
-- all their digits or with the ten that its table gives.
with

published as (

    select
        cases.params,
        cases.step,
        cases.expected

    from (
        values
        ('4M', 1250, cast(0.004925246547216813 as double)),
        ('4M', 5000, 0.003991701678363142),
        ('4M', 5725, 0.00014413241495775283),
        ('4M', 5735, 0.00014413241495775283),
        ('150M', 10000, 0.003908599948609734),
        ('530M', 1250, 0.001309047578625338),
        ('530M', 6250, 0.0027368998806870724),
        ('530M', 10000, 0.0026471094358745807),

        ----------  untrained, the first step, the peak at the end of the warm-up
        ('4M', 0, 0),
        ('1B', 0, 0),
        ('4M', 1, 0.014413241495775282 / 3658),
        ('4M', 3658, 0.014413241495775282),
        ('530M', 2641, 0.002765755724119614),
        ('1B', 2018, 0.0022382354832751615),

        ----------  the end of the decay, and long after it
        ('4M', 5715, 0.00014413241495775283),
        ('150M', 423865, 0.00004212520461763735),
        ('1B', 10000000, 0.000022382354832751615)
    ) as cases (params, step, expected)

),

published_to_ten_digits as (

    select
        cases.params,
        cases.step,
        cases.expected

    from (
        values
        ('4M', 5725, '0.000144132415'),
        ('6M', 9182, '0.000123103323'),
        ('8M', 13039, '0.0001095089606'),
        ('10M', 15117, '0.0001042367978'),
        ('14M', 21953, '9.204154344e-05'),
        ('16M', 24432, '8.88159973e-05'),
        ('20M', 14584, '8.372985613e-05'),
        ('60M', 29042, '5.813207549e-05'),
        ('90M', 29901, '4.855596566e-05'),
        ('150M', 38157, '4.212520462e-05'),
        ('300M', 45787, '3.343479706e-05'),
        ('530M', 57786, '2.765755724e-05'),
        ('750M', 63589, '2.463496911e-05'),
        ('1B', 69369, '2.238235483e-05'),
        ('150M', 37500, '4.583349777e-05'),
        ('300M', 45000, '3.611987794e-05'),
        ('530M', 51250, '0.0001209737894'),
        ('750M', 62500, '2.649784229e-05'),
        ('1B', 67500, '2.654633024e-05')
    ) as cases (params, step, expected)

),

computed as (

    select
        published.params,
        published.step,
        cast(published.expected as varchar) as expected,
        {{ lr_at_step('published.step', 'sizes') }} as actual,
        abs(actual - published.expected) <= 1e-9 * published.expected as is_ok

    from published
    left join {{ ref('model_sizes') }} as sizes on published.params = sizes.params
    union all
    select
        published.params,
        published.step,
        published.expected,
        {{ lr_at_step('published.step', 'sizes') }} as actual,
        format('{:.10g}', actual) = published.expected as is_ok

    from published_to_ten_digits as published
    left join {{ ref('model_sizes') }} as sizes on published.params = sizes.params

),

-- A step that is not known has no learning rate.
unknown as (

    select
        sizes.params,
        null as step,
        null as expected,
        {{ lr_at_step('cast(null as bigint)', 'sizes') }} as actual,
        actual is null as is_ok

    from {{ ref('model_sizes') }} as sizes

)

select * from computed
where is_ok is distinct from true
union all by name
select * from unknown
where is_ok is distinct from true
