with

evals as (

    select * from {{ ref('int_pretrain_evals__identified') }}
    where starts_with(task, 'mmlu_')

),

averaged as (

    select
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        'mmlu_average' as task,
        {%- for metric in eval_metrics() %}
        {{ sorted_avg('evals.' ~ metric) }} as {{ metric }},
        {%- endfor %}
        max(evals.tokens_reported) as tokens_reported,
        max(evals.compute_reported) as compute_reported,
        count(*) as n_subjects

    from evals
    group by all

)

select * from averaged
