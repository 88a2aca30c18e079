with

history as (

    select * from {{ ref('int_history__deduplicated') }}
    -- NaN sorts above every number: the row after one would look like a restart.
    where isfinite(total_tokens) and step is not null

),

lanes as (

    select * from {{ ref('int_history__lanes') }}

),

tokens as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

walked as (

    select
        history.run_path,
        coalesce(lanes.lane, 0) as lane,
        history.step,
        history.row_ordinal,
        history.epoch_s,
        history.total_tokens,
        row_number() over walk as walk_number,
        lag(history.total_tokens) over walk as previous_tokens,
        lag(history.step) over walk as previous_step

    from history
    left join lanes
        on history.run_path = lanes.run_path
        and history.session = lanes.session
    window walk as (
        partition by history.run_path, coalesce(lanes.lane, 0)
        order by {{ walk_order('history') }}
    )

),

breaks as (

    select
        walked.*,
        walked.step < walked.previous_step as has_gone_back,
        row_number() over (
            partition by walked.run_path, walked.lane order by walked.walk_number
        ) as break_number

    from walked
    where
        walked.total_tokens < walked.previous_tokens
        or walked.step < walked.previous_step

),

-- A run that was rewound goes on from the counter as it was at that step, not from the last one.
rewound_to as (

    select
        breaks.run_path,
        breaks.lane,
        breaks.break_number,
        max(walked.walk_number) as walk_number,
        arg_max(walked.total_tokens, walked.walk_number) as total_tokens

    from breaks
    inner join walked
        on breaks.run_path = walked.run_path
        and breaks.lane = walked.lane
        and breaks.walk_number > walked.walk_number
        and breaks.step >= walked.step
    where breaks.has_gone_back
    group by all

),

-- The counter restarts after a resume at "tokens since the current epoch began", so exactly whole
-- epochs are lost: 4M Ft falls from 1,302,914,581 to 646,893,283 at step 14400, one epoch.
losses as (

    select
        breaks.*,
        case
            when breaks.has_gone_back then coalesce(rewound_to.walk_number, 0)
            else breaks.walk_number - 1
        end as continued_walk_number,
        case
            when breaks.has_gone_back then rewound_to.total_tokens
            else breaks.previous_tokens
        end as continued_tokens,
        case
            when continued_tokens > breaks.total_tokens
                then round(
                    (continued_tokens - breaks.total_tokens) / tokens.counter_tokens_per_epoch
                ) * tokens.counter_tokens_per_epoch
            else 0
        end as tokens_lost

    from breaks
    inner join tokens on breaks.run_path = tokens.run_path
    left join rewound_to
        on breaks.run_path = rewound_to.run_path
        and breaks.lane = rewound_to.lane
        and breaks.break_number = rewound_to.break_number

)

select * from losses
