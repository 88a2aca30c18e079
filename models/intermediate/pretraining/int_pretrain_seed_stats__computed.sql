{{ config(materialized = 'view') }}

with

aggregated as (

    select * from {{ ref('int_pretrain_evals__aggregated') }}

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

-- Of a single seed there is no deviation; its mean stays.
evals as (

    select *
    from aggregated
    unpivot include nulls (
        (n_seeds, mean, std) for metric in (
            {%- for metric in eval_metrics() %}
            ({{ metric }}__n_seeds, {{ metric }}__mean, {{ metric }}__std) as '{{ metric }}'
            {{- ',' if not loop.last }}
            {%- endfor %}
        )
    )

),

perplexities as (

    {%- for name in perplexity_sets() %}
    select
        checkpoints.recipe,
        checkpoints.params,
        checkpoints.step,
        '{{ name }}-valppl' as metric,
        count(checkpoints."{{ name }}-valppl") as n_seeds,
        {{ sorted_avg('checkpoints."' ~ name ~ '-valppl"') }} as mean,
        {{ sorted_stddev('checkpoints."' ~ name ~ '-valppl"') }} as std

    from checkpoints
    group by all
    {{ 'union all by name' if not loop.last }}
    {%- endfor %}

),

computed as (

    select
        evals.recipe,
        evals.params,
        evals.step,
        evals.task || '_' || evals.metric as metric,
        evals.n_seeds,
        evals.mean,
        evals.std

    from evals
    where evals.n_seeds > 0
    union all by name
    select * from perplexities
    where perplexities.n_seeds > 0

)

select * from computed
