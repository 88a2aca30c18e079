{{ config(materialized = 'view') }}

with

summary_values as (

    select * from {{ ref('stg_wandb__run_summary_values') }}
    where starts_with(key, 'oe_eval_metrics/') and value is not null

),

-- `oe_eval_metrics/<task>` holds an object, `oe_eval_metrics/<task>/<metric>` a scalar.
addressed as (

    select
        summary_values.run_path,
        summary_values.run_id,
        summary_values.key,
        summary_values.value,
        split_part(summary_values.key, '/', 2) as task_name,
        split_part(summary_values.key, '/', 3) as metric,
        split_part(summary_values.key, '/', 4) != '' as is_too_deep,
        split_part(summary_values.key, '/', 3) = ''
            and starts_with(cast(summary_values.value as varchar), '{') as is_object

    from summary_values

),

object_fields as (

    select
        addressed.run_path,
        addressed.run_id,
        addressed.key as source_key,
        addressed.task_name,
        unnest(map_entries(cast(addressed.value as map (varchar, json))), recursive := true)

    from addressed
    where addressed.is_object

),

extra_metrics as (

    select
        object_fields.run_path,
        object_fields.run_id,
        object_fields.source_key,
        object_fields.task_name,
        unnest(map_entries(cast(object_fields.value as map (varchar, json))), recursive := true)

    from object_fields
    where
        object_fields.key = 'extra_metrics'
        and starts_with(cast(object_fields.value as varchar), '{')

),

unpivoted as (

    select
        object_fields.run_path,
        object_fields.run_id,
        object_fields.source_key,
        object_fields.task_name,
        object_fields.key as metric,
        cast(object_fields.value as varchar) as value_json,
        'object' as form

    from object_fields
    where object_fields.key != 'extra_metrics'
    union all
    select
        extra_metrics.run_path,
        extra_metrics.run_id,
        extra_metrics.source_key,
        extra_metrics.task_name,
        extra_metrics.key as metric,
        cast(extra_metrics.value as varchar) as value_json,
        'object' as form

    from extra_metrics
    union all
    select
        addressed.run_path,
        addressed.run_id,
        addressed.key as source_key,
        addressed.task_name,
        coalesce(nullif(addressed.metric, ''), 'value') as metric,
        cast(addressed.value as varchar) as value_json,
        case when addressed.is_too_deep then 'unknown' else 'scalar' end as form

    from addressed
    where not addressed.is_object

)

select * from unpivoted
where value_json is not null
