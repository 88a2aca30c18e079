with

attributed as (

    select * from {{ ref('int_history__attributed') }}
    where run_path is not null

),

step_counts as (

    select
        attributed.run_path,
        attributed._batch_id as batch_id,
        attributed.session,
        attributed._origin as origin,
        attributed._exported_at as exported_at,
        attributed._landed_at as landed_at,
        attributed.step,
        min(attributed.epoch_s) filter (where isfinite(attributed.epoch_s)) as oldest_epoch_s,
        max(attributed.epoch_s) filter (where isfinite(attributed.epoch_s)) as newest_epoch_s,
        count(*) as n_rows

    from attributed
    group by all

),

-- One export of one run's history is one batch; one log of an offline session is one, too.
counted as (

    select
        step_counts.run_path,
        step_counts.batch_id,
        step_counts.session,
        any_value(step_counts.origin) as origin,
        any_value(step_counts.exported_at) as exported_at,
        any_value(step_counts.landed_at) as landed_at,
        min(step_counts.step) as first_step,
        max(step_counts.step) as last_step,
        min(step_counts.oldest_epoch_s) as oldest_epoch_s,
        max(step_counts.newest_epoch_s) as newest_epoch_s,
        cast(sum(step_counts.n_rows) as bigint) as n_rows,
        max(step_counts.n_rows) > 1 as has_repeated_step

    from step_counts
    group by step_counts.run_path, step_counts.batch_id, step_counts.session

)

select * from counted
