with

history as (

    select * from {{ ref('int_history__repaired') }}

),

resets as (

    select * from {{ ref('int_history__counter_resets') }}

),

reset_counts as (

    select
        resets.run_path,
        count(*) as n_counter_resets
    from resets
    where resets.is_reset
    group by all

),

summarised as (

    select
        history.run_path,
        count(*) as n_history_rows,
        min(history.step) as first_step,
        max(history.step) as last_step,
        arg_max(history.train_loss, (history.step, history.row_ordinal)) filter (
            where history.step is not null
        ) as last_train_loss,
        arg_max(history.total_tokens, (history.step, history.row_ordinal)) filter (
            where history.step is not null
        ) as last_total_tokens,
        arg_min(history.train_loss, (history.step, history.row_ordinal)) filter (
            where history.step is not null and isfinite(history.train_loss)
        ) as initial_train_loss,
        arg_max(history.train_loss, (history.step, history.row_ordinal)) filter (
            where history.step is not null and isfinite(history.train_loss)
        ) as last_finite_train_loss,
        min(history.train_loss) filter (where isfinite(history.train_loss)) as min_train_loss,
        max(history.train_loss) filter (where isfinite(history.train_loss)) as max_train_loss,
        count(*) filter (where isfinite(history.train_loss)) as n_train_losses,
        arg_min(history.learning_rate, (history.step, history.row_ordinal)) filter (
            where history.step is not null and isfinite(history.learning_rate)
        ) as initial_learning_rate,
        arg_max(history.learning_rate, (history.step, history.row_ordinal)) filter (
            where history.step is not null and isfinite(history.learning_rate)
        ) as last_learning_rate,
        max(history.learning_rate) filter (where isfinite(history.learning_rate))
            as max_learning_rate,
        bool_or(history.is_counter_unrepaired) as has_unrepaired_counter,
        count(*) filter (
            where not isfinite(history.train_loss) or not isfinite(history.learning_rate)
        ) as n_non_finite_rows

    from history
    group by all

),

with_resets as (

    select
        summarised.*,
        coalesce(reset_counts.n_counter_resets, 0) as n_counter_resets

    from summarised
    left join reset_counts on summarised.run_path = reset_counts.run_path

)

select * from with_resets
