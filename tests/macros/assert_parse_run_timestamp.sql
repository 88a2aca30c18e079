-- The two ways in which a run name writes the time of submission. The grammar of the names checks
-- only that there are digits, so impossible dates reach the parser and must become null, not an
-- error and not another day.
with

cases as (

    select
        texts.text,
        texts.expected

    from (
        values
        ('2025_08_21-08_24_43', timestamp '2025-08-21 08:24:43'),
        ('250901-155734', timestamp '2025-09-01 15:57:34'),
        ('241201-120000', timestamp '2024-12-01 12:00:00'),
        ('2025_08_19-00_00_00', timestamp '2025-08-19 00:00:00'),
        ('250912-235959', timestamp '2025-09-12 23:59:59'),
        ('240229-000000', timestamp '2024-02-29 00:00:00'),

        ----------  days and hours that do not exist
        ('250229-000000', null),
        ('2025_02_30-12_00_00', null),
        ('2025_13_01-12_00_00', null),
        ('250900-120000', null),
        ('250901-240000', null),
        ('2025_08_21-24_00_00', null),
        ('250901-126000', null),
        ('2025_08_21-12_00_60', null),
        ('999999-999999', null),

        ----------  other spellings
        ('2025_08_21', null),
        ('250901_155734', null),
        ('2025-08-21 08:24:43', null),
        ('20250901-155734', null),
        ('abc', null),
        ('', null),
        (null, null)
    ) as texts (text, expected)

),

parsed as (

    select
        text,
        expected,
        {{ parse_run_timestamp('text') }} as actual,
        typeof(actual) as actual_type

    from cases

)

select * from parsed
where
    actual is distinct from expected
    -- Local time of some host, so never with a zone.
    or actual_type != 'TIMESTAMP'
