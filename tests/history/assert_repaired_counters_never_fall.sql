-- The token counter restarts after a resume. An older repair added the whole predecessor instead of
-- whole epochs (1,967,994,120 for a run that saw 1,330,206,973) and replaced the offset instead of
-- adding to it. What this proves: while a session goes on, from each row to the next that it logs,
-- a repaired counter rises with the step, and it is never below the raw one; except where it is
-- flagged as not repairable.
--
-- A run that was rewound, or resumed from an earlier checkpoint, goes back to an earlier step, and
-- its counter with it: that is the truth, so where the step goes back nothing is compared. A
-- rewound run failed the build here (2026-11).
with

history as (

    select * from {{ ref('run_history') }}
    where total_tokens is not null and step is not null and not is_counter_unrepaired

),

steps as (

    select
        history.run_path,
        history.session,
        history.step,
        history.total_tokens,
        history.total_tokens_raw,
        lag(history.step) over walk as previous_step,
        lag(history.total_tokens) over walk as previous_tokens

    from history
    window walk as (
        partition by history.run_path, history.session
        order by coalesce(epoch(history.logged_at), 0), history.step, history.row_ordinal
    )

)

select *
from steps
where
    (steps.total_tokens < steps.previous_tokens and steps.step > steps.previous_step)
    or steps.total_tokens < steps.total_tokens_raw
