{#- Of the checkpoints that a run needs, and no others: all of them are six million values. -#}
{%- set keys = ['recipe', 'params', 'seed', 'step'] %}

with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

needed as (

    select
        ckpt_recipe as recipe,
        ckpt_params as params,
        ckpt_seed as seed,
        unnest([ckpt_step_resolved, ckpt_evals_step]) as step
    from matches
    union
    select
        comparison_recipe as recipe,
        comparison_params as params,
        comparison_seed as seed,
        unnest([comparison_step, comparison_evals_step]) as step
    from matches

),

needed_checkpoints as (

    select checkpoints.*
    from checkpoints
    semi join needed
        on checkpoints.recipe = needed.recipe
        and checkpoints.params = needed.params
        and checkpoints.seed = needed.seed
        and checkpoints.step = needed.step

),

needed_evals as (

    select olmes.*
    from olmes
    semi join needed
        on olmes.recipe = needed.recipe
        and olmes.params = needed.params
        and olmes.seed = needed.seed
        and olmes.step = needed.step

),

perplexities as (

    {{ unpivoted('needed_checkpoints', keys, perplexity_columns()) }}

),

evals as (

    {{ unpivoted('needed_evals', keys + ['task'], compared_metrics()) }}

),

united as (

    select * from evals
    union all by name
    select
        *,
        'perplexity' as task
    from perplexities

)

select * from united
