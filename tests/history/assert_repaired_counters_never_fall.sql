-- The token counter restarts after a resume. An older repair added the whole predecessor instead of
-- whole epochs (1,967,994,120 for a run that saw 1,330,206,973) and replaced the offset instead of
-- adding to it. Repaired counters rise, except where they are flagged as not repairable.
with

history as (

    select * from {{ ref('run_history') }}
    where total_tokens is not null and step is not null and not is_counter_unrepaired

),

steps as (

    select
        history.run_path,
        history.step,
        history.total_tokens,
        history.total_tokens_raw,
        lag(history.total_tokens) over (
            partition by history.run_path
            order by coalesce(epoch(history.logged_at), 0), history.step, history.row_ordinal
        ) as previous_tokens

    from history

)

select *
from steps
where steps.total_tokens < steps.previous_tokens or steps.total_tokens < steps.total_tokens_raw
