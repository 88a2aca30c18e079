-- Config values that say "nothing here" must not win over a value from the arguments: null, blank
-- text and N/A, as the trackers write them. What merely contains such a word is a value.
with

cases as (

    select
        texts.text,
        texts.expected

    from (
        values
        ('5e-05', '5e-05'),
        ('0', '0'),
        ('false', 'false'),
        ('main', 'main'),
        (' linear ', ' linear '),
        ('N/A (see notes)', 'N/A (see notes)'),
        ('nullable', 'nullable'),
        ('[]', '[]'),
        ('N/A', null),
        (' N/A ', null),
        ('null', null),
        ('None', null),
        ('NaN', null),
        ('', null),
        ('   ', null),
        (e' \t\r\n', null),
        (null, null)
    ) as texts (text, expected)

),

filtered as (

    select
        text,
        expected,
        {{ present('text') }} as actual

    from cases

)

select * from filtered
where actual is distinct from expected
