{{ config(materialized = 'view') }}

with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}
    where pt_step is not null

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

scores as (

    select
        olmes.recipe,
        olmes.params,
        olmes.seed,
        olmes.step,
        {{ primary_metric_columns('olmes', 'primary_metric') }}

    from olmes
    group by all

),

traced as (

    select
        matches.run_path,
        'pretraining' as phase,
        checkpoints.step,
        0 as row_ordinal,
        checkpoints.lr_at_step as learning_rate,
        checkpoints.tokens as cumulative_tokens,
        checkpoints.compute as cumulative_compute,
        checkpoints.step = matches.ckpt_step_resolved as is_last_of_phase,
        {%- for name in perplexity_sets() %}
        checkpoints."{{ name }}-valppl",
        {%- endfor %}
        scores.* exclude (recipe, params, seed, step)

    from matches
    inner join checkpoints
        on matches.ckpt_recipe = checkpoints.recipe
        and matches.ckpt_params = checkpoints.params
        and matches.ckpt_seed = checkpoints.seed
        and matches.ckpt_step_resolved >= checkpoints.step
    left join scores
        on checkpoints.recipe = scores.recipe
        and checkpoints.params = scores.params
        and checkpoints.seed = scores.seed
        and checkpoints.step = scores.step

)

select * from traced
