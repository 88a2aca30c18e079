-- time_grain: whole seconds and milliseconds were rounded, or may have been; all else was not.
with

cases as (

    select
        fixtures.epoch_s,
        fixtures.expected

    from (
        values
        (cast(1755581965 as double), 1),
        (cast(1755581965.271 as double), 1e-3),
        (cast(1755581965.5 as double), 1e-3),
        (cast(1755581965.271234 as double), 2e-6),
        (cast(1755581965.2712345 as double), 2e-6)
    ) as fixtures (epoch_s, expected)

)

select *
from cases
where {{ time_grain('cases.epoch_s') }} is distinct from cases.expected
