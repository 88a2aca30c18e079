-- A metric without a line in seeds/metric_registry.csv has no direction and no unit, and one that
-- the models do not read stays in the text: the lists in macros/registries/ and the registry name
-- the same metrics. The registry's others are those of fine-tuning and post-training evaluations,
-- and of single questions.
with

listed as (

    select unnest({{ eval_metrics() }}) as metric
    union all
    select unnest({{ unpublished_eval_metrics() }}) as metric
    union all
    select unnest({{ perplexity_sets() }}) || '-valppl' as metric

),

registered as (

    select metrics.metric
    from {{ ref('metrics') }} as metrics
    where
        metrics.metric not in (
            'primary_score', 'correct_logit', 'correct_logit_per_token', 'correct_logit_per_char',
            'num_instances', 'value', 'exact_match', 'f1', 'mc1', 'pass_at_1', 'valppl',
            'correct_prob_per_byte_corrected'
        )

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
        'is in no list' as finding,
        registered.metric

    from registered
    anti join listed on registered.metric = listed.metric
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
