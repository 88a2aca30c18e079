{{ config(materialized = 'view') }}
{%- set keys = ['recipe', 'params', 'seed', 'step'] %}

with

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

perplexities as (

    {{ unpivoted('checkpoints', keys, perplexity_columns()) }}

),

evals as (

    {{ unpivoted('olmes', keys + ['task'], eval_metrics()) }}

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
