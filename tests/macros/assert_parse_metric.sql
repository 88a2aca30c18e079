-- A diverged run logs NaN and infinity, which W&B writes as bare JSON tokens or as text, in four
-- spellings. They are values of the metric, not missing ones; text that only looks alike is none.
with

cases as (

    select
        texts.text,
        texts.expected

    from (
        values
        ('NaN', cast('nan' as double)),
        ('nan', 'nan'),
        ('-NaN', 'nan'),
        ('Infinity', 'inf'),
        ('inf', 'inf'),
        ('Inf', 'inf'),
        ('+Infinity', 'inf'),
        ('-Infinity', '-inf'),
        ('-inf', '-inf'),
        ('-Inf', '-inf'),
        ('4079.9109375', 4079.9109375),
        ('1e-5', 0.00001),
        ('-1.4245390892', -1.4245390892),
        ('3', 3),
        ('620370269', 620370269),
        ('9.223372036854776e+18', 9.223372036854776e18),
        ('nano', null),
        ('infinite', null),
        ('None', null),
        ('true', null),
        ('{"_type":"histogram"}', null),
        ('', null),
        (null, null)
    ) as texts (text, expected)

),

parsed as (

    select
        text,
        expected,
        {{ parse_metric('text') }} as actual

    from cases

)

select * from parsed
where actual is distinct from expected
