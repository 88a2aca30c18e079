{{ config(materialized = 'view') }}

with

history as (

    select * from {{ ref('int_history__deduplicated') }}

),

lanes as (

    select * from {{ ref('int_history__lanes') }}

),

resets as (

    select * from {{ ref('int_history__counter_resets') }}

),

repaired as (

    select
        history.* exclude (total_tokens, total_tokens_exact, epoch_s),
        {{ to_moment('history.epoch_s') }} as logged_at,
        try_cast(
            cast(history.total_tokens_exact as hugeint)
            + coalesce(cast(resets.tokens_lost_so_far as bigint), 0) as bigint
        ) as total_tokens,
        history.total_tokens_exact as total_tokens_raw,
        coalesce(resets.is_unrepairable, false) as is_counter_unrepaired

    from history
    left join lanes
        on history.run_path = lanes.run_path
        and history.session = lanes.session
    left join resets
        on history.run_path = resets.run_path
        and coalesce(lanes.lane, 0) = resets.lane
        and {{ walk_order('history') }} >= {{ walk_order('resets') }}
        and (
            resets.next_step is null
            or {{ walk_order('history') }} < {{ walk_order('resets', 'next_') }}
        )

)

select * from repaired
