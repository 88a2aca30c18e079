{{ config(materialized = 'view') }}

with

scored as not materialized (

    select * from {{ ref('int_instance_questions__scored') }}

),

predictions as (

    select * from {{ ref('int_posttrain_predictions__named') }}

),

named as (

    select
        predictions.predictions_id,
        predictions.model,
        predictions.revision,
        predictions.checkpoint_step,
        predictions.is_model_known,
        predictions.task,
        predictions.task_name,
        predictions.task_variant,
        predictions.evaluation_id,
        predictions.is_newest,
        scored.* exclude (tar_name, params, seed_number, step, task)

    from scored
    inner join predictions
        on scored.predictions_sha256 = predictions.predictions_sha256
        and scored.model_hash is not distinct from predictions.model_hash
        and scored.task_hash is not distinct from predictions.task_hash

)

select * from named
