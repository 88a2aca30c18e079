with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

classified as (

    select * from {{ ref('int_runs__classified') }}

),

resolved as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

evaluated as (

    select distinct run_path from {{ ref('int_evals__parsed') }}
    where reported_value is not null

),

curves as (

    select
        checkpoints.recipe,
        checkpoints.params,
        checkpoints.seed,
        any_value(checkpoints.last_step) as last_step,
        any_value(checkpoints.last_step_evals) as last_step_evals

    from checkpoints
    group by all

),

-- `main` is the last step that the pretraining results know of this seed, whatever the size's
-- schedule says; a step that is named is taken as it is.
positioned as (

    select
        runs.run_path,
        runs.run_id,
        runs.state,
        classified.run_type,
        resolved.* exclude (run_path),
        evaluated.run_path is not null as has_evals,
        case
            when resolved.ckpt_is_final then ckpt_curves.last_step
            else resolved.ckpt_step
        end as ckpt_step_resolved,
        ckpt_curves.last_step_evals as ckpt_last_step_evals,
        '{{ var("default_ckpt_seed") }}' as comparison_seed,
        comparison_curves.last_step as comparison_step,
        comparison_curves.last_step_evals as comparison_last_step_evals

    from runs
    inner join classified on runs.run_path = classified.run_path
    inner join resolved on runs.run_path = resolved.run_path
    left join evaluated on runs.run_path = evaluated.run_path
    left join curves as ckpt_curves
        on resolved.ckpt_recipe = ckpt_curves.recipe
        and resolved.ckpt_params = ckpt_curves.params
        and resolved.ckpt_seed = ckpt_curves.seed
    left join curves as comparison_curves
        on classified.run_type = 'matched'
        and resolved.comparison_recipe = comparison_curves.recipe
        and resolved.comparison_params = comparison_curves.params
        and comparison_curves.seed = '{{ var("default_ckpt_seed") }}'

),

-- Evaluations may end some steps before the perplexities (4M Dolma1.7: 5725, 5735). Only the end
-- of a training is allowed to be two steps, and says so.
joined as (

    select
        positioned.*,
        case
            when positioned.ckpt_is_final and not checkpoints.has_evals
                then positioned.ckpt_last_step_evals
            else positioned.ckpt_step_resolved
        end as ckpt_evals_step,
        coalesce(positioned.ckpt_is_final and not checkpoints.has_evals, false) as is_step_mixed,
        case
            when not comparison_checkpoints.has_evals then positioned.comparison_last_step_evals
            else positioned.comparison_step
        end as comparison_evals_step,
        checkpoints.step as pt_step,
        checkpoints.tokens as pt_tokens,
        checkpoints.compute as pt_compute,
        checkpoints.compute_nominal as pt_compute_nominal,
        checkpoints.lr_at_step as pt_lr_at_step,
        checkpoints.cumulative_lr as pt_cumulative_lr,
        comparison_checkpoints.tokens as comparison_tokens,
        comparison_checkpoints.compute as comparison_compute

    from positioned
    left join checkpoints
        on positioned.ckpt_recipe = checkpoints.recipe
        and positioned.ckpt_params = checkpoints.params
        and positioned.ckpt_seed = checkpoints.seed
        and positioned.ckpt_step_resolved = checkpoints.step
    left join checkpoints as comparison_checkpoints
        on positioned.comparison_recipe = comparison_checkpoints.recipe
        and positioned.comparison_params = comparison_checkpoints.params
        and positioned.comparison_seed = comparison_checkpoints.seed
        and positioned.comparison_step = comparison_checkpoints.step

),

-- No other seed or step is tried: a run that finds no row stays, and says why.
with_status as (

    select
        joined.*,
        case
            when joined.ckpt_recipe is null then 'no_recipe'
            when joined.ckpt_params is null then 'no_params'
            when joined.ckpt_step is null and joined.ckpt_is_final is not true
                then 'unresolved_step'
            when joined.pt_step is null then 'no_pretraining_row'
            when coalesce(joined.state <> 'finished', true) or not joined.has_evals
                then 'not_evaluated'
            else 'matched'
        end as match_status

    from joined

)

select * from with_status
