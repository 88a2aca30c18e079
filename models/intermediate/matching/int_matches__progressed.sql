{{ config(materialized = 'view') }}
{%- set tasks = matched_columns(finetuned = false) | map('first') | unique | list %}

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

compared as (

    select * from {{ ref('int_matches__metrics_compared') }}
    where metric = 'primary_metric' and ft_value is not null

),

history as (

    select * from {{ ref('int_history__repaired') }}

),

sizes as (

    select * from {{ ref('int_model_sizes__derived') }}

),

scores as (

    select
        olmes.recipe,
        olmes.params,
        olmes.seed,
        olmes.step,
        {%- for task in tasks %}
        any_value(olmes.primary_metric) filter (where olmes.task = '{{ task }}')
            as {{ task }}_primary_metric{{ ',' if not loop.last }}
        {%- endfor %}

    from olmes
    group by all

),

finetuned_scores as (

    select
        compared.run_path,
        {%- for task in tasks %}
        any_value(compared.ft_value) filter (where compared.task = '{{ task }}')
            as {{ task }}_primary_metric{{ ',' if not loop.last }}
        {%- endfor %}

    from compared
    group by all

),

pretraining as (

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
    where matches.pt_step is not null

),

logged as (

    select
        history.run_path,
        history.step,
        history.row_ordinal,
        history.learning_rate,
        history.train_loss,
        history.total_tokens,
        row_number() over (
            partition by history.run_path
            order by history.step desc nulls last, history.row_ordinal desc
        ) = 1 as is_last_of_phase

    from history

),

-- The evaluations are of the model at the end, so they stand on the last row and on no other.
finetuning as (

    select
        logged.run_path,
        'finetuning' as phase,
        logged.step,
        logged.row_ordinal,
        logged.learning_rate,
        logged.train_loss,
        logged.total_tokens as ft_tokens,
        matches.pt_tokens + logged.total_tokens as cumulative_tokens,
        matches.pt_compute + 6 * cast(sizes.n_params as double) * logged.total_tokens
            as cumulative_compute,
        logged.is_last_of_phase,
        finetuned_scores.* exclude (run_path)

    from logged
    inner join matches on logged.run_path = matches.run_path
    left join sizes on matches.ckpt_params = sizes.params
    left join finetuned_scores
        on logged.run_path = finetuned_scores.run_path
        and logged.is_last_of_phase

),

progressed as (

    select * from pretraining
    union all by name
    select * from finetuning

)

select * from progressed
