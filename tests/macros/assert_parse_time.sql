-- ISO 8601 with a zone or without, seconds and milliseconds; what is no time is null.
select examples.*
from (
    values
    ('2025-09-01T00:00:00Z', '2025-09-01 00:00:00+00'),
    ('2025-09-01 02:00:00+02:00', '2025-09-01 00:00:00+00'),
    ('2025-09-01', '2025-09-01 00:00:00+00'),
    ('1756684800', '2025-09-01 00:00:00+00'),
    ('1756684800.5', '2025-09-01 00:00:00.5+00'),
    ('1756684800000', '2025-09-01 00:00:00+00'),
    ('1.7566848e12', '2025-09-01 00:00:00+00'),
    ('yesterday', null),
    ('', null),
    (null, null)
) as examples (landed, expected)
where
    {{ parse_time('examples.landed') }}
    is distinct from try_cast(examples.expected as timestamptz)
