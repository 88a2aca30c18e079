{{ config(materialized = 'view') }}

with

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

perplexities as (

    unpivot (
        select
            checkpoints.recipe,
            checkpoints.params,
            checkpoints.seed,
            checkpoints.step,
            {%- for name in perplexity_sets() %}
            checkpoints."{{ name }}-valppl"{{ ',' if not loop.last }}
            {%- endfor %}
        from checkpoints
    )
    on columns('.*-valppl')
    into name metric value value

),

evals as (

    unpivot (
        select
            olmes.recipe,
            olmes.params,
            olmes.seed,
            olmes.step,
            olmes.task,
            {%- for metric in eval_metrics() %}
            olmes.{{ metric }}{{ ',' if not loop.last }}
            {%- endfor %}
        from olmes
    )
    on columns(* exclude (recipe, params, seed, step, task))
    into name metric value value

),

unpivoted as (

    select
        perplexities.recipe,
        perplexities.params,
        perplexities.seed,
        perplexities.step,
        null as task,
        perplexities.metric,
        perplexities.value

    from perplexities
    union all by name
    select
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        evals.task,
        evals.task || '_' || evals.metric as metric,
        evals.value

    from evals

)

select * from unpivoted
