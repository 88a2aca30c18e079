with recursive

breaks as (

    select * from {{ ref('int_history__counter_breaks') }}

),

-- Each break goes on from a row that lacks what was lost at the last break up to it.
followed as (

    select
        breaks.*,
        coalesce(max(earlier.break_number), 0) as follows_number

    from breaks
    left join breaks as earlier
        on breaks.run_path = earlier.run_path
        and breaks.lane = earlier.lane
        and breaks.continued_walk_number >= earlier.walk_number
    group by all

),

summed as (

    select
        followed.*,
        followed.tokens_lost as tokens_lost_so_far

    from followed
    where followed.follows_number = 0
    union all
    select
        followed.*,
        summed.tokens_lost_so_far + followed.tokens_lost as tokens_lost_so_far

    from followed
    inner join summed
        on followed.run_path = summed.run_path
        and followed.lane = summed.lane
        and followed.follows_number = summed.break_number

),

-- From a break on, until the next one, the counter lacks what this and those before it lost.
intervals as (

    select
        summed.run_path,
        summed.lane,
        summed.step,
        summed.row_ordinal,
        summed.epoch_s,
        lead(summed.step) over run_order as next_step,
        lead(summed.row_ordinal) over run_order as next_row_ordinal,
        lead(summed.epoch_s) over run_order as next_epoch_s,
        greatest(summed.previous_tokens - summed.total_tokens, 0) as tokens_dropped,
        summed.tokens_lost,
        summed.tokens_lost_so_far,
        summed.tokens_lost_so_far is null as is_unrepairable,
        -- Going back without losing anything is no restart of the counter.
        not summed.has_gone_back or coalesce(summed.tokens_lost != 0, true) as is_reset

    from summed
    window run_order as (
        partition by summed.run_path, summed.lane order by summed.break_number
    )

)

select * from intervals
