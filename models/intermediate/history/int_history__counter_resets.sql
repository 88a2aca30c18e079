with

history as (

    select * from {{ ref('int_history__deduplicated') }}
    -- NaN sorts above every number: the row after one would look like a reset.
    where isfinite(total_tokens) and step is not null

),

tokens as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

steps as (

    select
        history.run_path,
        history.step,
        history.row_ordinal,
        history.epoch_s,
        history.total_tokens,
        lag(history.total_tokens) over (
            partition by history.run_path order by {{ walk_order('history') }}
        ) as previous_tokens

    from history

),

-- The counter restarts after a resume at "tokens since the current epoch began", so exactly whole
-- epochs are lost: 4M Ft falls from 1,302,914,581 to 646,893,283 at step 14400, one epoch.
resets as (

    select
        steps.run_path,
        steps.step,
        steps.row_ordinal,
        steps.epoch_s,
        steps.previous_tokens - steps.total_tokens as tokens_dropped,
        round((steps.previous_tokens - steps.total_tokens) / tokens.counter_tokens_per_epoch)
            * tokens.counter_tokens_per_epoch as tokens_lost

    from steps
    inner join tokens on steps.run_path = tokens.run_path
    where steps.total_tokens < steps.previous_tokens

),

-- From a reset on, until the next one, the counter lacks what this and all earlier ones lost.
intervals as (

    select
        resets.run_path,
        resets.step,
        resets.row_ordinal,
        resets.epoch_s,
        lead(resets.step) over run_order as next_step,
        lead(resets.row_ordinal) over run_order as next_row_ordinal,
        lead(resets.epoch_s) over run_order as next_epoch_s,
        resets.tokens_dropped,
        resets.tokens_lost,
        sum(resets.tokens_lost) over run_order as tokens_lost_so_far,
        count(*) filter (where resets.tokens_lost is null) over run_order > 0 as is_unrepairable

    from resets
    window run_order as (
        partition by resets.run_path order by {{ walk_order('resets') }}
    )

)

select * from intervals
