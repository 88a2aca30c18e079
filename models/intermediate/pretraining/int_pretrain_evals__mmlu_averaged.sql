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
        avg(evals.{{ metric }}) as {{ metric }},
        {%- endfor %}
        any_value(evals.tokens_reported) as tokens_reported,
        any_value(evals.compute_reported) as compute_reported,
        count(*) as n_subjects

    from evals
    group by all

)

select * from averaged
