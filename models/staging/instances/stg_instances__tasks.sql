{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ set_landed_files(
        'instances', 'tasks', 'models/base/instances/empty/tasks.parquet'
    ) }}"
) }}

with

landed as (

    select * from {{ ref('base_instances__tasks') }}

),

tasks as (

    select
        ----------  ids
        landed.tar_name,
        landed.params,
        landed.seed_number,
        landed.step,
        landed.task,
        landed.task_name,
        landed.task_idx,

        ----------  hashes
        landed.task_hash,
        landed.model_hash,
        landed.prediction_task_hash,
        landed.prediction_model_hash,
        landed.n_prediction_hashes,
        landed.metrics_sha256,
        landed.tarball_sha256,

        ----------  counts
        landed.num_instances,
        landed.n_predictions,
        json_array_length(nullif(landed.asked_tasks, 'null')) as n_asked_tasks,
        try_cast(landed.task_config ->> '$.limit' as double) as instance_limit,

        ----------  metrics
        landed.primary_metric,
        landed.primary_score,
        landed.metrics,
        {%- for metric in instance_accuracies() %}
        try_cast(landed.metrics ->> '$.{{ metric }}' as double) as {{ metric }},
        {%- endfor %}

        ----------  how it was evaluated
        landed.task_config,
        landed.model_config,
        landed.compute_config,
        landed.revision_step,
        landed.processing_time as processing_time_s,
        try_cast(replace(landed.evaluated_at, ' UTC', '+00') as timestamptz) as evaluated_at,

        ----------  provenance
        landed.member,
        landed._source_file,
        landed._batch_id,
        landed._landed_at

    from landed

)

select * from tasks
