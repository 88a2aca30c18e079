with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

described as (

    select * from {{ ref('int_runs__described') }}

),

classified as (

    select * from {{ ref('int_runs__classified') }}

),

checkpoints as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

hyperparameters as (

    select * from {{ ref('int_runs__hyperparameters_resolved') }}

),

nominal as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

counted as (

    select * from {{ ref('int_runs__tokens_counted') }}

),

history as (

    select * from {{ ref('int_runs__history_summarised') }}

),

evaluated as (

    select distinct run_path from {{ ref('int_evals__parsed') }}
    where reported_value is not null

),

compute as (

    select * from {{ ref('int_runs__compute_counted') }}

),

tombstones as (

    select * from {{ ref('int_runs__tombstoned') }}

),

final as (

    select
        ----------  ids
        runs.run_path,
        runs.entity,
        runs.project,
        runs.run_id,
        runs.run_name,
        described.n_sessions,

        ----------  what it is
        runs.state,
        runs.is_incomplete,
        classified.run_type,
        classified.pattern_name,
        classified.classified_name,
        hyperparameters.method,
        classified.exp_name_text as exp_name,
        runs.tags,
        described.run_group,
        described.job_type,
        described.sweep_name,
        described.notes,
        described.description,
        described.url,
        described.git_commit,
        described.gpu_type,
        described.gpu_count,
        described.config_status,

        ----------  times
        hyperparameters.started_at,
        runs.created_at,
        runs.updated_at,
        coalesce(
            runs.created_at < timestamptz '{{ var("first_valid_run_created_at") }} 00:00:00+00',
            false
        ) as is_early_test,

        ----------  checkpoint it started from
        checkpoints.ckpt_recipe,
        checkpoints.ckpt_recipe_raw,
        checkpoints.is_known_ckpt_recipe and checkpoints.is_known_comparison_recipe
            as is_known_recipe,
        checkpoints.ckpt_params,
        checkpoints.ckpt_step,
        checkpoints.ckpt_step_text,
        checkpoints.ckpt_step_source,
        described.ckpt_step_resolved,
        checkpoints.ckpt_is_final,
        checkpoints.ckpt_seed,
        checkpoints.ckpt_seed_raw,
        checkpoints.seed_resolution,

        ----------  model it is matched to
        checkpoints.comparison_recipe,
        checkpoints.comparison_recipe_raw,
        checkpoints.comparison_recipe_source,
        checkpoints.comparison_params,
        checkpoints.comparison_metric,
        checkpoints.comparison_metric_raw,
        checkpoints.comparison_metric_source,

        ----------  fine-tuning
        hyperparameters.learning_rate,
        hyperparameters.learning_rate_source,
        hyperparameters.id_learning_rate,
        hyperparameters.sft_learning_rate,
        hyperparameters.ft_seed,
        hyperparameters.ft_seed_source,
        hyperparameters.ft_epochs,
        hyperparameters.ft_epochs_source,
        hyperparameters.max_train_samples,
        hyperparameters.max_train_samples_source,
        hyperparameters.reduce_loss,
        hyperparameters.reduce_loss_source,
        hyperparameters.model_size_params,

        ----------  tokens
        hyperparameters.is_full_finetune,
        nominal.ft_tokens_per_epoch,
        nominal.ft_tokens,
        counted.ft_tokens_real,
        counted.ft_tokens_real_source,
        counted.ft_tokens_diff_pct,
        counted.ft_tokens_vs_nominal_pct,
        counted.ft_tokens_agreement,
        coalesce(history.n_counter_resets, 0) as n_counter_resets,
        coalesce(history.has_unrepaired_counter, false) as has_unrepaired_counter,

        ----------  tokens and compute, pretraining of the checkpoint included
        compute.pt_tokens,
        compute.pt_ft_tokens,
        compute.pt_ft_tokens_real,
        compute.ft_compute,
        compute.ft_compute_real,
        compute.pt_ft_compute,
        compute.pt_ft_compute_real,

        ----------  training as logged
        history.initial_train_loss,
        history.min_train_loss,
        history.max_train_loss,
        case
            when history.n_train_losses > 1
                then history.initial_train_loss - history.last_finite_train_loss
        end as train_loss_improvement,
        history.initial_learning_rate,
        history.max_learning_rate,
        history.last_learning_rate,

        ----------  history and evaluations
        coalesce(history.n_history_rows, 0) as n_history_rows,
        runs.history_line_count,
        coalesce(
            history.last_step, try_cast({{ parse_integer('runs.summary_step_text') }} as bigint)
        ) as last_step,
        case
            when isfinite(coalesce(
                history.last_train_loss, {{ parse_number('runs.summary_train_loss_text') }}
            ))
                then coalesce(
                    history.last_train_loss, {{ parse_number('runs.summary_train_loss_text') }}
                )
        end as final_train_loss,
        coalesce(history.n_non_finite_rows, 0) as n_non_finite_rows,
        {{ parse_number('runs.summary_runtime_text') }} as runtime_s,
        evaluated.run_path is not null as has_evals,
        tombstones.run_path is not null as is_deleted,
        tombstones.deleted_at

    from runs
    inner join described on runs.run_path = described.run_path
    inner join classified on runs.run_path = classified.run_path
    inner join checkpoints on runs.run_path = checkpoints.run_path
    inner join hyperparameters on runs.run_path = hyperparameters.run_path
    inner join nominal on runs.run_path = nominal.run_path
    inner join counted on runs.run_path = counted.run_path
    left join history on runs.run_path = history.run_path
    left join evaluated on runs.run_path = evaluated.run_path
    left join compute on runs.run_path = compute.run_path
    left join tombstones on runs.run_path = tombstones.run_path

)

select * from final
