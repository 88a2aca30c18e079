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
        to_timestamp(history.epoch_s) as logged_at,
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
        and (history.step, history.row_ordinal) >= (resets.step, resets.row_ordinal)
        and (
            resets.next_step is null
            or (history.step, history.row_ordinal) < (resets.next_step, resets.next_row_ordinal)
        )

)

select * from repaired
