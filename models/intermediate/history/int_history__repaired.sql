{{ config(materialized = 'view') }}

with

history as (

    select * from {{ ref('int_history__deduplicated') }}

),

resets as (

    select * from {{ ref('int_history__counter_resets') }}

),

repaired as (

    select
        history.* exclude (total_tokens, epoch_s),
        -- Seconds outside of years 0 to 9999 are no time; left alone they would fail every query.
        case
            when history.epoch_s between -62167219200 and 253402300799
                then to_timestamp(history.epoch_s)
        end as logged_at,
        try_cast(
            case
                when resets.is_unrepairable or resets.run_path is null then history.total_tokens
                else history.total_tokens + resets.tokens_lost_so_far
            end as bigint
        ) as total_tokens,
        try_cast(history.total_tokens as bigint) as total_tokens_raw,
        coalesce(resets.is_unrepairable, false) as is_counter_unrepaired

    from history
    left join resets
        on history.run_path = resets.run_path
        and {{ walk_order('history') }} >= {{ walk_order('resets') }}
        and (
            resets.next_step is null
            or {{ walk_order('history') }} < {{ walk_order('resets', 'next_') }}
        )

)

select * from repaired
