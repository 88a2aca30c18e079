-- A metric without a line in seeds/metric_registry.csv has no direction and no unit. The registry
-- has others too, those of fine-tuning, of trained models and of single questions; what is reported
-- and read by no list is an issue, `unread_evaluation`.
with

listed as (

    select unnest({{ eval_metrics() }}) as metric
    union all
    select unnest({{ unpublished_eval_metrics() }}) as metric
    union all
    select unnest({{ perplexity_sets() }}) || '-valppl' as metric

),

registered as (

    select metric from {{ ref('metrics') }}

),

-- Defective metrics and other names of one are no columns of a mart.
published as (

    select unnest({{ eval_metrics() }}) as metric
    union all
    select unnest({{ perplexity_sets() }}) || '-valppl' as metric

),

findings as (

    select
        'is not in the registry, or listed twice' as finding,
        listed.metric

    from (
        select listed.metric
        from listed
        except all
        select registered.metric
        from registered
    ) as listed
    union all
    select
        'is published, but defective or another name' as finding,
        metrics.metric

    from {{ ref('metrics') }} as metrics
    semi join published on metrics.metric = published.metric
    where metrics.is_defective or metrics.metric != metrics.canonical_metric
    union all
    select
        'is no validation set of the task registry' as finding,
        sets.metric

    from (select unnest({{ perplexity_sets() }}) as metric) as sets
    anti join {{ ref('tasks') }} as tasks
        on sets.metric = tasks.task and tasks.task_group = 'perplexity'

)

select * from findings
