-- Tags that an export wrote as text became an empty list.
select examples.*
from (
    values
    ('["a", "b"]', ['a', 'b']),
    ('["a", null, "b"]', ['a', 'b']),
    ('"a,b"', ['a', 'b']),
    ('" a , b,"', ['a', 'b']),
    ('"alone"', ['alone']),
    ('"[\"a\",\"b\"]"', ['a', 'b']),
    ('"[''a'', ''b'']"', ['a', 'b']),
    ('"[]"', []),
    ('""', []),
    ('[]', []),
    ('{"a": 1}', null),
    ('7', null),
    ('null', null),
    (null, null)
) as examples (landed, expected)
where {{ parse_tags('cast(examples.landed as json)') }} is distinct from examples.expected
