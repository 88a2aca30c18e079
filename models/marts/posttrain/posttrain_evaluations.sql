with

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}

),

metrics as (

    select
        flattened.evaluation_id,
        count(*) filter (where flattened.is_metric) as n_metrics,
        count(*) filter (where not flattened.is_metric) as n_other_metrics

    from {{ ref('int_posttrain_metrics__flattened') }} as flattened
    group by all

),

final as (

    select
        ----------  ids
        evaluations.evaluation_id,
        evaluations.model,
        evaluations.is_model_known,
        evaluations.revision,
        evaluations.model_path,
        evaluations.checkpoint_step,
        evaluations.checkpoint_step_source,
        evaluations.task,
        evaluations.task_variant,
        evaluations.task_name,
        evaluations.num_shots,
        evaluations.question_limit,
        evaluations.folder,
        evaluations.model_hash,
        evaluations.task_hash,
        evaluations.config_key,

        ----------  which of several
        evaluations.is_suite,
        evaluations.is_newest,
        evaluations.n_evaluations,
        evaluations.evaluated_at,

        ----------  result
        evaluations.num_instances,
        evaluations.primary_metric,
        evaluations.primary_score,
        coalesce(metrics.n_metrics, 0) as n_metrics,
        coalesce(metrics.n_other_metrics, 0) as n_other_metrics,
        evaluations.metrics,

        ----------  how it was evaluated
        evaluations.processing_time_s,
        evaluations.model_config,
        evaluations.task_config,
        evaluations.compute_config,
        evaluations.beaker_info,
        evaluations.extra,

        ----------  where it was found
        coalesce(evaluations.task_idxs, []) as task_idxs,
        evaluations.n_records,
        evaluations.n_paths,
        evaluations.paths

    from evaluations
    left join metrics on evaluations.evaluation_id = metrics.evaluation_id

)

select * from final
