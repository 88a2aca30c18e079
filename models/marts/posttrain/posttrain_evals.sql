with

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}
    where is_newest

),

metrics as (

    select * from {{ ref('int_posttrain_metrics__flattened') }}
    where is_metric

),

final as (

    select
        ----------  ids
        evaluations.model,
        evaluations.revision,
        evaluations.checkpoint_step,
        evaluations.task,
        evaluations.task_variant,
        evaluations.task_name,
        metrics.metric,
        metrics.metric_name,
        evaluations.evaluation_id,

        ----------  value
        metrics.value,
        metrics.is_primary,
        metrics.is_contradicted,
        evaluations.is_suite,

        ----------  hashes
        evaluations.is_model_known,
        evaluations.model_path,
        evaluations.model_hash,
        evaluations.task_hash,
        evaluations.config_key,

        ----------  which of several
        evaluations.n_evaluations,
        evaluations.evaluated_at,
        evaluations.n_paths

    from evaluations
    inner join metrics on evaluations.evaluation_id = metrics.evaluation_id

)

select * from final
