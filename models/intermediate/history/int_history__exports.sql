with

counted as (

    select * from {{ ref('int_history__exports_counted') }}

),

snapshots as (

    select * from {{ ref('stg_wandb__snapshots') }}

),

outcomes as (

    select * from {{ ref('stg_wandb__outcomes') }}
    where item = 'history'

),

signs_of_life as (

    select
        snapshots.run_path,
        snapshots.batch_id,
        max(epoch(snapshots.snapshot_at)) as epoch_s

    from snapshots
    group by all

),

progress as (

    select
        {{ run_path('outcomes') }} as run_path,
        outcomes.batch_id,
        bool_or(outcomes.replaces_earlier) as replaces_earlier,
        bool_or(outcomes.extends_earlier) as extends_earlier

    from outcomes
    group by all

),

-- An export that does not say when it was made is at least as new as what it holds.
dated as (

    select
        counted.*,
        coalesce(
            epoch(counted.exported_at),
            greatest(signs_of_life.epoch_s, counted.newest_epoch_s),
            epoch(try_cast(counted.landed_at as timestamptz))
        ) as said_s,
        coalesce(progress.replaces_earlier, false) as replaces_earlier,
        coalesce(progress.extends_earlier, false) as extends_earlier

    from counted
    left join signs_of_life
        on counted.run_path = signs_of_life.run_path
        and counted.batch_id = signs_of_life.batch_id
    left join progress
        on counted.run_path = progress.run_path
        and counted.batch_id = progress.batch_id

),

ordered as (

    select
        dated.*,
        row_number() over run_order as export_number,
        -- Nearly every run was exported once and logged every step once: nothing to decide.
        count(*) over whole_run > 1 or bool_or(dated.has_repeated_step) over whole_run
            as is_contested

    from dated
    window
        whole_run as (partition by dated.run_path),
        run_order as (
            partition by dated.run_path
            order by dated.said_s, dated.landed_at, dated.batch_id, dated.session
        )

),

-- A history that was read from W&B as a whole, after it was rewound perhaps, replaces what W&B had
-- before; it says nothing of offline sessions, which W&B may never have had.
replaced as (

    select
        ordered.run_path,
        ordered.export_number,
        arg_max(whole.batch_id, whole.export_number) as replaced_by

    from ordered
    inner join ordered as whole
        on ordered.run_path = whole.run_path
        and ordered.export_number < whole.export_number
        and whole.replaces_earlier
    where ordered.origin != 'offline'
    group by all

),

exports as (

    select
        ordered.* exclude (has_repeated_step, replaces_earlier, exported_at),
        replaced.replaced_by

    from ordered
    left join replaced
        on ordered.run_path = replaced.run_path
        and ordered.export_number = replaced.export_number

)

select * from exports
