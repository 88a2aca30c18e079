{{ config(materialized = 'view') }}

with

classified as (

    select * from {{ ref('int_runs__classified') }}

),

checkpoints as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

hyperparameters as (

    select * from {{ ref('int_runs__hyperparameters_resolved') }}

),

sizes as (

    select * from {{ ref('model_size_registry') }}

),

issues as (

    select
        'checkpoint_disagreement' as kind,
        checkpoints.run_path as subject,
        'ckpt_recipe, ckpt_params' as field,
        concat_ws(' ', checkpoints.ckpt_recipe, checkpoints.ckpt_params) as value,
        'the model path says '
        || concat_ws(' ', checkpoints.model_path_recipe, checkpoints.model_path_params) as detail

    from checkpoints
    where
        checkpoints.ckpt_recipe != checkpoints.model_path_recipe
        or checkpoints.ckpt_params != checkpoints.model_path_params
    union all
    select
        'learning_rate_disagreement' as kind,
        hyperparameters.run_path as subject,
        'learning_rate' as field,
        cast(hyperparameters.id_learning_rate as varchar) as value,
        hyperparameters.learning_rate_source || ' says ' || hyperparameters.learning_rate as detail

    from hyperparameters
    where
        abs(hyperparameters.learning_rate - hyperparameters.id_learning_rate)
        > 1e-9 * hyperparameters.id_learning_rate
    union all
    select
        'method_disagreement' as kind,
        hyperparameters.run_path as subject,
        'method' as field,
        classified.run_type as value,
        'the config says ' || hyperparameters.config_method as detail

    from hyperparameters
    inner join classified on hyperparameters.run_path = classified.run_path
    where
        classified.run_type not in ('old', 'other')
        and (hyperparameters.config_method = 'dpo') != (classified.run_type = 'dpo')
    union all
    select
        'unknown_reduce_loss' as kind,
        hyperparameters.run_path as subject,
        'reduce_loss' as field,
        hyperparameters.reduce_loss as value,
        'from ' || hyperparameters.reduce_loss_source as detail

    from hyperparameters
    where hyperparameters.reduce_loss not in ('sum', 'mean')
    union all
    select
        'wrong_pretrain_steps' as kind,
        hyperparameters.run_path as subject,
        'pretrain_steps' as field,
        cast(hyperparameters.config_pretrain_steps as varchar) as value,
        hyperparameters.model_size_params || ' has ' || sizes.final_step || ' steps' as detail

    from hyperparameters
    inner join sizes on hyperparameters.model_size_params = sizes.params
    where abs(hyperparameters.config_pretrain_steps - sizes.final_step) > 50

)

select * from issues
