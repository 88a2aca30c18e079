{#- Of the checkpoints that a run needs, and no others: all of them are six million values. -#}
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
        semi join needed
            on checkpoints.recipe = needed.recipe
            and checkpoints.params = needed.params
            and checkpoints.seed = needed.seed
            and checkpoints.step = needed.step
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
            {%- for metric in compared_metrics() %}
            olmes.{{ metric }}{{ ',' if not loop.last }}
            {%- endfor %}
        from olmes
        semi join needed
            on olmes.recipe = needed.recipe
            and olmes.params = needed.params
            and olmes.seed = needed.seed
            and olmes.step = needed.step
    )
    on columns(* exclude (recipe, params, seed, step, task))
    into name metric value value

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
