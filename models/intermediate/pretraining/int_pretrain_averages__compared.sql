{{ config(materialized = 'view') }}

with

released as (

    select * from {{ ref('int_pretrain_macro_avgs__identified') }}

),

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

scored as (

    select * from {{ ref('int_pretrain_checkpoints__scored') }}

),

-- The release calls its average of the 57 subjects `mmlu`.
recomputed as (

    select
        olmes.recipe,
        olmes.params,
        olmes.seed,
        olmes.step,
        case when olmes.task = 'mmlu_average' then 'mmlu' else olmes.task end as task,
        olmes.primary_metric

    from olmes
    union all
    select
        scored.recipe,
        scored.params,
        scored.seed,
        scored.step,
        'olmes_10_macro_avg' as task,
        scored.olmes_10_macro_avg as primary_metric

    from scored

),

compared as (

    select
        released.recipe,
        released.params,
        released.seed,
        released.step,
        released.task,
        released.primary_metric as released,
        recomputed.primary_metric as recomputed,
        coalesce(abs(released.primary_metric - recomputed.primary_metric) < 1e-10, false)
            as is_ok

    from released
    inner join recomputed
        on released.recipe = recomputed.recipe
        and released.params = recomputed.params
        and released.seed = recomputed.seed
        and released.step = recomputed.step
        and released.task = recomputed.task

)

select * from compared
