{{ config(materialized = 'view') }}

with

records as (

    select * from {{ ref('stg_posttrain__records') }}

),

compared as (

    select * from {{ ref('int_posttrain_predictions__compared') }}

),

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}

),

metrics as (

    select * from {{ ref('int_posttrain_metrics__flattened') }}

),

issues as (

    -- Times come as `2025-03-01 12:00:07 UTC`, which is not ISO 8601.
    {%- for field, text in [
        ('evaluated_at', 'evaluated_at_text'), ('num_instances', 'num_instances_text'),
        ('processing_time_s', 'processing_time_text'),
    ] %}
    select
        'unread_posttrain_value' as kind,
        concat_ws('/', records.directory, records.file, records.line) as subject,
        '{{ field }}' as field,
        records.{{ text }} as value,
        null as detail

    from records
    where records.{{ text }} is not null and records.{{ field }} is null
    union all
    {%- endfor %}
    -- Metrics and predictions can be of two evaluations: a call that was repeated rewrites one file
    -- after the other, and dumps are copied while that happens. Predictions that were replaced by
    -- right ones are not held against anybody.
    select
        'failed_posttrain_reconciliation' as kind,
        concat_ws('/', compared.model, compared.revision, compared.task_name) as subject,
        compared.check_name as field,
        cast(compared.reported as varchar) as value,
        'the predictions give ' || compared.recomputed as detail

    from compared
    where compared.is_newest and not compared.is_ok
    union all
    select
        'unequal_primary_score' as kind,
        concat_ws('/', evaluations.model, evaluations.revision, evaluations.task_name) as subject,
        evaluations.primary_metric as field,
        cast(evaluations.primary_score as varchar) as value,
        'the metric is ' || metrics.value as detail

    from evaluations
    inner join metrics
        on evaluations.evaluation_id = metrics.evaluation_id
        and evaluations.primary_metric = metrics.metric_name
    where
        evaluations.is_newest
        and metrics.is_metric
        and not evaluations.is_suite
        and metrics.value != evaluations.primary_score
        and abs(metrics.value - evaluations.primary_score) > 1e-12
    union all
    select
        'unnamed_posttrain_model' as kind,
        concat_ws('/', evaluations.model, evaluations.task_name) as subject,
        'model' as field,
        null as value,
        null as detail

    from evaluations
    where evaluations.is_newest and not evaluations.is_model_known
    union all
    select
        'contradicted_posttrain_metric' as kind,
        concat_ws('/', evaluations.model, evaluations.revision, evaluations.task_name) as subject,
        metrics.metric_name as field,
        cast(metrics.value as varchar) as value,
        'it is ' || metrics.metric || ' of marts.metrics' as detail

    from evaluations
    inner join metrics on evaluations.evaluation_id = metrics.evaluation_id
    where evaluations.is_newest and metrics.is_contradicted

)

select * from issues
