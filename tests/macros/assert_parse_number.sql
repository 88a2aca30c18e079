-- Numbers come as text from names, arguments and exports. An older converter cut two characters off
-- every value that ends in T, so that `100Mt` became 1e14; another dropped the sign and refused
-- exponents and K. A cast alone would take 1_000, nan and inf, which are no numbers here.
with

cases as (

    select
        texts.text,
        texts.expected_number,
        texts.expected_integer

    from (
        values
        ----------  units
        ('1M', cast(1e6 as double), cast(1000000 as hugeint)),
        ('1m', 1e6, 1000000),
        ('2G', 2e9, 2000000000),
        ('2g', 2e9, 2000000000),
        ('1B', 1e9, 1000000000),
        ('1b', 1e9, 1000000000),
        ('10k', 1e4, 10000),
        ('10K', 1e4, 10000),
        ('5T', 5e12, 5000000000000),
        ('5t', 5e12, 5000000000000),
        ('1.5G', 1.5e9, 1500000000),
        ('100 M', 1e8, 100000000),
        ('1e3K', 1e6, 1000000),
        ('0M', 0, 0),

        ----------  a t after the unit says tokens, not tera
        ('100Mt', 1e8, 100000000),
        ('100MT', 1e8, 100000000),
        ('5Tt', 5e12, 5000000000000),
        ('2.5Mt', 2.5e6, 2500000),
        ('4gt', 4e9, 4000000000),
        ('1Bt', 1e9, 1000000000),

        ----------  plain numbers
        ('200', 200, 200),
        ('51200', 51200, 51200),
        ('1330254868', 1330254868, 1330254868),
        ('530100000', 530100000, 530100000),
        ('0', 0, 0),
        ('007', 7, 7),
        ('3.7', 3.7, null),
        ('5.0', 5, 5),
        ('0.0001', 0.0001, null),

        ----------  exponents
        ('1e16', 1e16, 10000000000000000),
        ('1e9', 1e9, 1000000000),
        ('1E9', 1e9, 1000000000),
        ('1e+09', 1e9, 1000000000),
        ('5e-07', 5e-07, null),
        ('1.686318692696064e+20', 1.686318692696064e20, 168631869269606400000),

        ----------  signs
        ('-5', -5, -5),
        ('+3M', 3e6, 3000000),
        ('-1.5e-3', -0.0015, null),

        ----------  blanks around
        ('  42 ', 42, 42),
        (e'\t7\n', 7, 7),
        (' 100 Mt ', 1e8, 100000000),

        ----------  above 2^53 and 2^63
        ('9007199254740993', 9007199254740992, 9007199254740993),
        ('168631869269606400000', 168631869269606400000, 168631869269606400000),
        ('168631869269606400001', 168631869269606400000, 168631869269606400001),
        ('8329297920000000', 8329297920000000, 8329297920000000),

        ----------  more than an integer can hold: no error, no integer
        ('170141183460469231731687303715884105727K', 1.7014118346046923e41, null),
        ('1e40', 1e40, null),
        (repeat('9', 45), 1e45, null),

        ----------  no numbers
        ('100XYZ', null, null),
        ('1g2', null, null),
        ('100Mtx1', null, null),
        ('3.', null, null),
        ('.5', null, null),
        ('main', null, null),
        ('N/A', null, null),
        ('1,000', null, null),
        ('1_000', null, null),
        ('nan', null, null),
        ('inf', null, null),
        ('-inf', null, null),
        ('100Mtt', null, null),
        ('100 Mx', null, null),
        ('1 000', null, null),
        ('- 5', null, null),
        ('--5', null, null),
        ('1e', null, null),
        ('1e5.5', null, null),
        ('0x10', null, null),
        ('true', null, null),
        ('M', null, null),
        ('١٢', null, null),
        ('', null, null),
        ('   ', null, null),
        (null, null, null)
    ) as texts (text, expected_number, expected_integer)

),

parsed as (

    select
        text,
        expected_number,
        {{ parse_number('text') }} as actual_number,
        expected_integer,
        {{ parse_integer('text') }} as actual_integer,
        typeof(actual_integer) as integer_type

    from cases

)

select * from parsed
where
    actual_number is distinct from expected_number
    or actual_integer is distinct from expected_integer
    or integer_type != 'HUGEINT'
