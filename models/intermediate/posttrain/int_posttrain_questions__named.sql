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
        predictions.model,
        predictions.revision,
        predictions.task,
        predictions.evaluation_id,
        predictions.is_newest,
        scored.* exclude (tar_name, params, seed_number, step, task)

    from scored
    inner join predictions on scored.predictions_sha256 = predictions.predictions_sha256

)

select * from named
