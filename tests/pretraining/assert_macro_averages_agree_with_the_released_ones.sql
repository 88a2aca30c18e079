-- The release has its own averages: of the 57 subjects of MMLU, unweighted, and of the ten tasks.
-- Ours are recomputed from the single tasks and must be the same to 1e-10, for every checkpoint of
-- which both are there. So must the nine tasks that nothing was averaged for.
with

released as (

    select
        names.recipe,
        names.params,
        names.seed,
        macro_avgs.step,
        macro_avgs.task,
        macro_avgs.primary_metric

    from {{ ref('stg_huggingface__macro_avgs') }} as macro_avgs
    inner join {{ ref('int_pretrain_names__resolved') }} as names
        on macro_avgs.params = names.params
        and macro_avgs.recipe_raw = names.recipe_raw
        and macro_avgs.seed_raw = names.seed_raw
    where {{ is_current_revision(ref('stg_huggingface__macro_avgs')) }}

),

recomputed as (

    select
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        case when evals.task = 'mmlu_average' then 'mmlu' else evals.task end as task,
        evals.primary_metric

    from {{ ref('pretrain_evals') }} as evals
    where evals.task = 'mmlu_average' or not starts_with(evals.task, 'mmlu_')
    union all
    select
        checkpoints.recipe,
        checkpoints.params,
        checkpoints.seed,
        checkpoints.step,
        'olmes_10_macro_avg' as task,
        checkpoints.olmes_10_macro_avg as primary_metric

    from {{ ref('pretrain_checkpoints') }} as checkpoints
    where checkpoints.has_evals
    union all
    select
        checkpoints.recipe,
        checkpoints.params,
        checkpoints.seed,
        checkpoints.step,
        'mmlu' as task,
        checkpoints.mmlu_average as primary_metric

    from {{ ref('pretrain_checkpoints') }} as checkpoints
    where checkpoints.has_evals

)

select
    released.recipe,
    released.params,
    released.seed,
    released.step,
    released.task,
    released.primary_metric as released,
    recomputed.primary_metric as recomputed

from released
inner join recomputed
    on released.recipe = recomputed.recipe
    and released.params = recomputed.params
    and released.seed = recomputed.seed
    and released.step = recomputed.step
    and released.task = recomputed.task
where (abs(released.primary_metric - recomputed.primary_metric) < 1e-10) is not true
