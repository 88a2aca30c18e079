with

contested_rows as (

    select * from {{ ref('int_history__contested_rows') }}

),

timed as (

    select
        contested_rows.* exclude (metrics),
        isfinite(contested_rows.epoch_s) is true as is_timed,
        lag(contested_rows.epoch_s) over (
            partition by contested_rows.run_path, contested_rows.step
            order by contested_rows.epoch_s
        ) as previous_epoch_s

    from contested_rows

),

-- Exports give a time more or less exactly: a moment lasts for as long as the times of a step, in
-- their order, are no further apart than the coarser of two can tell.
in_moments as (

    select
        timed.*,
        case
            when timed.is_timed
                then count(*) filter (
                    where timed.previous_epoch_s is null
                    or timed.epoch_s - timed.previous_epoch_s >= greatest(
                        {{ time_grain('timed.epoch_s') }},
                        {{ time_grain('timed.previous_epoch_s') }}
                    )
                ) over (
                    partition by timed.run_path, timed.step
                    order by timed.epoch_s
                )
        end as moment

    from timed

),

-- Where an export has several rows of one moment, or several without a time, their order tells
-- them apart; the very same content twice is one row. A row without a time is none of those beside
-- it that have one.
within_exports as (

    select
        in_moments.*,
        dense_rank() over (
            partition by
                in_moments.run_path,
                in_moments.step,
                in_moments.moment,
                in_moments.export_number
            order by
                case when in_moments.moment is null then in_moments.input_row end,
                in_moments.epoch_s,
                in_moments.runtime_s,
                in_moments.total_tokens,
                in_moments.train_loss,
                in_moments.learning_rate,
                in_moments.content_hash
        ) - 1 + case
            when in_moments.moment is null
                then count(in_moments.moment) over (
                    partition by in_moments.run_path, in_moments.step, in_moments.export_number
                )
            else 0
        end as twin_of_export

    from in_moments

),

-- Sessions are parts of a run: rows of two of them are never one, as near as they may be. What the
-- server has are their rows in the same order.
moments as (

    select
        within_exports.row_key,
        within_exports.run_path,
        within_exports.step,
        within_exports.export_number,
        within_exports.session,
        within_exports._origin as origin,
        within_exports.moment,
        case
            when within_exports.session is null then within_exports.twin_of_export
            else dense_rank() over (
                partition by
                    within_exports.run_path,
                    within_exports.step,
                    within_exports.moment,
                    within_exports.session is null
                order by within_exports.session, within_exports.twin_of_export
            ) - 1
        end as twin

    from within_exports

)

select * from moments
