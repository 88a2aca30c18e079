{{ config(materialized = 'view') }}

with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

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
        compared.run_path,
        {{ primary_metric_columns('compared', 'ft_value') }}

    from compared
    group by all

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
traced as (

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
        scores.* exclude (run_path)

    from logged
    inner join matches on logged.run_path = matches.run_path
    left join sizes on matches.ckpt_params = sizes.params
    left join scores
        on logged.run_path = scores.run_path
        and logged.is_last_of_phase

)

select * from traced
