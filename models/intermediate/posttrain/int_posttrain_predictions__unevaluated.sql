with

files as (

    select * from {{ ref('int_posttrain_files__hashed') }}
    where kind = 'predictions'

),

attributed as (

    select * from {{ ref('int_posttrain_files__attributed') }}
    where kind = 'predictions'

),

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}

),

-- A hash says whose predictions without an evaluation are, if it is that of one model alone.
models as (

    select
        model_hash,
        any_value(model_key) as model_key,
        any_value(model) as model,
        any_value(revision) as revision,
        any_value(model_path) as model_path,
        any_value(checkpoint_step) as checkpoint_step,
        any_value(is_model_known) as is_model_known

    from evaluations
    where model_hash is not null
    group by all
    having count(distinct model_key) = 1

),

unevaluated as (

    select
        files.sha256 as predictions_sha256,
        files.model_hash,
        files.task_hash,
        coalesce(models.model_key, files.model_hash, files.directory) as model_key,
        coalesce(models.model, files.folder) as model,
        models.revision,
        models.model_path,
        models.checkpoint_step,
        coalesce(models.is_model_known, false) as is_model_known,
        split_part(files.task_name, ':', 1) as task,
        files.task_name,
        nullif(ltrim(substr(files.task_name, len(task) + 1), ':'), '') as task_variant,
        md5(concat_ws('\n', files.task_name, coalesce(files.task_hash, ''))) as task_key,
        max(files.dump) as newest_dump,
        max(files._landed_at) as last_landed_at

    from files
    anti join attributed
        on files.sha256 = attributed.sha256
        and files.model_hash is not distinct from attributed.model_hash
        and files.task_hash is not distinct from attributed.task_hash
    left join models on files.model_hash = models.model_hash
    group by all

)

select * from unevaluated
