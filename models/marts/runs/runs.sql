{#- Long because the mart is wide: what each model knows of a run, side by side. -#}
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

comparisons as (

    select * from {{ ref('int_runs__comparisons_resolved') }}

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

training as (

    select * from {{ ref('int_runs__training_summarised') }}

),

evaluated as (

    select * from {{ ref('int_runs__evaluated') }}

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
        runs.is_incomplete as is_log_truncated,
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
        checkpoints.is_known_ckpt_recipe and comparisons.is_known_comparison_recipe
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
        comparisons.comparison_recipe,
        comparisons.comparison_recipe_raw,
        comparisons.comparison_recipe_source,
        comparisons.comparison_params,
        comparisons.comparison_metric,
        comparisons.comparison_metric_raw,
        comparisons.comparison_metric_source,

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
        training.n_counter_resets,
        training.has_unrepaired_counter,

        ----------  tokens and compute, pretraining of the checkpoint included
        compute.pt_tokens,
        compute.pt_ft_tokens,
        compute.pt_ft_tokens_real,
        compute.ft_compute,
        compute.ft_compute_real,
        compute.pt_ft_compute,
        compute.pt_ft_compute_real,

        ----------  training as logged
        training.initial_train_loss,
        training.min_train_loss,
        training.max_train_loss,
        training.train_loss_improvement,
        training.initial_learning_rate,
        training.max_learning_rate,
        training.last_learning_rate,

        ----------  history and evaluations
        training.n_history_rows,
        runs.history_line_count,
        training.last_step,
        training.final_train_loss,
        training.n_non_finite_rows,
        training.runtime_s,
        evaluated.run_path is not null as has_evals,
        tombstones.run_path is not null as is_deleted,
        tombstones.deleted_at

    from runs
    inner join described on runs.run_path = described.run_path
    inner join classified on runs.run_path = classified.run_path
    inner join checkpoints on runs.run_path = checkpoints.run_path
    inner join comparisons on runs.run_path = comparisons.run_path
    inner join hyperparameters on runs.run_path = hyperparameters.run_path
    inner join nominal on runs.run_path = nominal.run_path
    inner join counted on runs.run_path = counted.run_path
    inner join training on runs.run_path = training.run_path
    left join evaluated on runs.run_path = evaluated.run_path
    left join compute on runs.run_path = compute.run_path
    left join tombstones on runs.run_path = tombstones.run_path

)

select * from final
