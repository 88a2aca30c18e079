with

files as (

    select * from {{ ref('stg_posttrain__files') }}
    where kind not in ('metrics', 'metrics-all') and sha256 is not null

),

records as (

    select * from {{ ref('int_posttrain_records__identified') }}

),

-- Predictions name in each line what they are of; one file may hold those of several calls.
predictions as (

    select distinct
        predictions_sha256,
        model_hash,
        task_hash

    from {{ ref('int_instance_questions__scored') }}
    where predictions_sha256 is not null

),

named_groups as (

    select
        files._batch_id,
        files.file_group,
        predictions.model_hash,
        predictions.task_hash

    from files
    inner join predictions on files.sha256 = predictions.predictions_sha256
    where files.kind = 'predictions'

),

-- Requests and inputs name nothing: they are of the predictions with their name, else of the
-- metrics.
measured_groups as (

    select
        metrics._batch_id,
        metrics.file_group,
        records.model_hash,
        records.task_hash

    from {{ ref('stg_posttrain__files') }} as metrics
    inner join records on metrics._batch_id = records._batch_id and metrics.file = records.file
    where metrics.kind = 'metrics'

),

groups as (

    select * from named_groups
    union
    select measured_groups.*
    from measured_groups
    anti join named_groups
        on measured_groups._batch_id = named_groups._batch_id
        and measured_groups.file_group = named_groups.file_group

),

hashed as (

    select
        files.*,
        predictions.model_hash,
        predictions.task_hash

    from files
    inner join predictions on files.sha256 = predictions.predictions_sha256
    where files.kind = 'predictions'
    union all by name
    select
        files.*,
        groups.model_hash,
        groups.task_hash

    from files
    left join groups
        on files._batch_id = groups._batch_id and files.file_group = groups.file_group
    where files.kind != 'predictions' and files.file_group is not null

)

select * from hashed
