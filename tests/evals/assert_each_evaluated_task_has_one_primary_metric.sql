-- Per task one accuracy is the one to look at (acc_raw, acc_uncond or acc_per_char); comparing the
-- wrong one changes the ranking of recipes. Where OLMES also reports it as primary_score, the two
-- are the same number.
with

evals as (

    select * from {{ ref('run_evals') }}

),

primaries as (

    select
        evals.run_path,
        evals.task,
        count(*) filter (where evals.is_primary) as n_primary,
        any_value(evals.reported_value) filter (where evals.is_primary) as primary_value,
        any_value(evals.reported_value) filter (
            where evals.metric = 'primary_score'
        ) as primary_score

    from evals
    group by all

)

select *
from primaries
where
    primaries.n_primary != 1
    or abs(primaries.primary_value - primaries.primary_score) > 1e-9
