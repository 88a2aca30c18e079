{{ config(materialized = 'view') }}

with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

history as (

    select * from {{ ref('int_runs__history_summarised') }}

),

-- What the history does not tell, for it did not land or has no such column, the summary may.
summarised as (

    select
        runs.run_path,

        ----------  losses and learning rates
        history.initial_train_loss,
        history.min_train_loss,
        history.max_train_loss,
        case
            when history.n_train_losses > 1
                then history.initial_train_loss - history.last_finite_train_loss
        end as train_loss_improvement,
        coalesce(
            history.last_train_loss, {{ parse_number('runs.summary_train_loss_text') }}
        ) as last_reported_train_loss,
        case when isfinite(last_reported_train_loss) then last_reported_train_loss end
            as final_train_loss,
        history.initial_learning_rate,
        history.max_learning_rate,
        history.last_learning_rate,

        ----------  length
        coalesce(history.n_history_rows, 0) as n_history_rows,
        coalesce(
            history.last_step, try_cast({{ parse_integer('runs.summary_step_text') }} as bigint)
        ) as last_step,
        {{ parse_number('runs.summary_runtime_text') }} as runtime_s,

        ----------  irregularities
        coalesce(history.n_non_finite_rows, 0) as n_non_finite_rows,
        coalesce(history.n_counter_resets, 0) as n_counter_resets,
        coalesce(history.has_unrepaired_counter, false) as has_unrepaired_counter

    from runs
    left join history on runs.run_path = history.run_path

)

select * from summarised
