-- Milliseconds once became null, because as seconds they are beyond the year 9999.
select examples.*
from (
    values
    (1756684802.5, 1756684802.5),
    (1756684802500.0, 1756684802.5),
    (1756684802500000.0, 1756684802.5),
    (1756684802500000000.0, 1756684802.5),
    (0.0, 0.0),
    (-86400.0, -86400.0),
    (null, null)
) as examples (landed, expected)
where {{ epoch_seconds('examples.landed') }} is distinct from examples.expected
