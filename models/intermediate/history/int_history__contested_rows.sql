{{ config(materialized = 'table') }}

with

attributed as not materialized (

    select * from {{ ref('int_history__attributed') }}
    where run_path is not null

),

outcomes as (

    select * from {{ ref('stg_wandb__outcomes') }}
    where item = 'history'

),

step_counts as (

    select
        attributed.run_path,
        attributed._batch_id,
        attributed._batch_order,
        attributed.step,
        count(*) as n_rows

    from attributed
    group by all

),

-- One export of one run's history is one batch.
exports as (

    select
        step_counts.run_path,
        step_counts._batch_id,
        step_counts._batch_order,
        min(step_counts.step) as first_step,
        max(step_counts.step) as last_step,
        max(step_counts.n_rows) as most_rows_of_a_step

    from step_counts
    group by all

),

-- Runs whose rows come from several exports, or that logged a step more than once.
contested_runs as (

    select exports.run_path
    from exports
    group by all
    having count(*) > 1 or max(exports.most_rows_of_a_step) > 1

),

steps as (

    select
        step_counts.run_path,
        step_counts._batch_id,
        step_counts.step

    from step_counts
    semi join contested_runs on step_counts.run_path = contested_runs.run_path

),

-- What W&B has had since a history last landed adds to it. It begins at the step where that ended,
-- and so may have all the steps of an export of that one step.
tails as (

    select
        {{ run_path('outcomes') }} as run_path,
        outcomes.batch_id

    from outcomes
    where outcomes.extends_earlier

),

later_exports as (

    select
        earlier.run_path,
        earlier._batch_id,
        later._batch_id as later_batch_id

    from exports as earlier
    inner join exports as later
        on earlier.run_path = later.run_path
        and earlier._batch_order < later._batch_order
        and earlier.first_step >= later.first_step
        and earlier.last_step <= later.last_step
    anti join tails
        on later.run_path = tails.run_path
        and later._batch_id = tails.batch_id

),

steps_not_repeated as (

    select
        later_exports.run_path,
        later_exports._batch_id,
        later_exports.later_batch_id

    from later_exports
    inner join steps
        on later_exports.run_path = steps.run_path
        and later_exports._batch_id = steps._batch_id
    anti join steps as later_steps
        on later_exports.run_path = later_steps.run_path
        and later_exports.later_batch_id = later_steps._batch_id
        and steps.step = later_steps.step

),

-- Read as a whole from W&B, after it was rewound perhaps: what had landed before does not count.
whole_histories as (

    select
        exports.run_path,
        max(exports._batch_order) as _batch_order

    from exports
    inner join outcomes
        on exports.run_path = {{ run_path('outcomes') }}
        and exports._batch_id = outcomes.batch_id
    where outcomes.replaces_earlier
    group by all

),

-- A later export that has every step of an earlier one replaces it as a whole, so that a row which
-- has changed is not there twice. Exports that lack steps of each other (the halves of one file,
-- a tail) add to each other.
superseded as (

    select
        exports.run_path,
        exports._batch_id
    from exports
    inner join whole_histories
        on exports.run_path = whole_histories.run_path
        and exports._batch_order < whole_histories._batch_order
    union all by name
    select distinct
        later_exports.run_path,
        later_exports._batch_id
    from later_exports
    anti join steps_not_repeated
        on later_exports.run_path = steps_not_repeated.run_path
        and later_exports._batch_id = steps_not_repeated._batch_id
        and later_exports.later_batch_id = steps_not_repeated.later_batch_id

),

contested_rows as (

    select attributed.*
    from attributed
    semi join contested_runs on attributed.run_path = contested_runs.run_path
    anti join superseded
        on attributed.run_path = superseded.run_path
        and attributed._batch_id = superseded._batch_id

),

-- The same moment of the same step in two exports is one row, as the later export has it (its run
-- time is the same too, but some exporters round that). Rows of one step that were logged at
-- different moments (a resumed run) all stay.
newest_rows as (

    select distinct contested_rows.* exclude (_batch_id, _batch_order)
    from contested_rows
    qualify rank() over (
        partition by
            contested_rows.run_path,
            contested_rows.step,
            contested_rows.epoch_s,
            case when contested_rows.epoch_s is null then contested_rows.runtime_s end
        order by contested_rows._batch_order desc
    ) = 1

),

numbered as (

    select
        newest_rows.*,
        cast(row_number() over (
            partition by newest_rows.run_path, newest_rows.step
            order by
                newest_rows.epoch_s,
                newest_rows.runtime_s,
                newest_rows.total_tokens,
                newest_rows.train_loss,
                newest_rows.learning_rate,
                newest_rows.metrics
        ) - 1 as integer) as row_ordinal

    from newest_rows

)

select * from numbered
