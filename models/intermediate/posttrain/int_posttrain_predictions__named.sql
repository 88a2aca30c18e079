with

attributed as (

    select * from {{ ref('int_posttrain_files__attributed') }}
    where kind = 'predictions'

),

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}

),

-- Of several evaluations the newest counts.
evaluated as (

    select
        attributed.sha256 as predictions_sha256,
        attributed.model_hash,
        attributed.task_hash,
        arg_min(evaluations.evaluation_id, evaluations.recency) as evaluation_id,
        min(evaluations.recency) as recency,
        max(attributed.dump) as newest_dump,
        max(attributed._landed_at) as last_landed_at

    from attributed
    inner join evaluations on attributed.evaluation_id = evaluations.evaluation_id
    group by
        attributed.sha256,
        attributed.model_hash,
        attributed.task_hash,
        evaluations.model_key,
        evaluations.task_key

),

unevaluated as (

    select * from {{ ref('int_posttrain_predictions__unevaluated') }}

),

named as (

    select
        evaluated.*,
        evaluations.model_key,
        evaluations.model,
        evaluations.revision,
        evaluations.model_path,
        evaluations.checkpoint_step,
        evaluations.is_model_known,
        evaluations.task,
        evaluations.task_name,
        evaluations.task_variant,
        evaluations.task_key

    from evaluated
    inner join evaluations on evaluated.evaluation_id = evaluations.evaluation_id
    union all by name
    select * from unevaluated

),

-- Predictions may be rewritten while the metrics stay as they are: then the dump and the landing
-- decide, as between evaluations.
ranked as (

    select
        md5(concat_ws(
            '\n', predictions_sha256, coalesce(model_hash, ''), coalesce(task_hash, ''),
            model_key, task_key
        )) as predictions_id,
        * exclude (recency, newest_dump, last_landed_at),
        row_number() over (
            partition by model_key, task_key
            order by
                recency asc nulls last,
                newest_dump desc nulls last,
                last_landed_at desc,
                predictions_sha256 asc
        ) = 1 as is_newest

    from named

)

select * from ranked
