with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

steps as (

    select * from {{ ref('int_matches__steps_resolved') }}

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

evaluated as (

    select * from {{ ref('int_runs__evaluated') }}

),

-- Evaluations may end some steps before the perplexities (4M Dolma1.7: 5725, 5735). Only the end
-- of a training is allowed to be two steps, and says so.
joined as (

    select
        runs.run_id,
        runs.state,
        steps.* exclude (ckpt_last_step_evals, comparison_last_step_evals),
        evaluated.run_path is not null as has_evals,
        case
            when steps.ckpt_is_final and not checkpoints.has_evals
                then steps.ckpt_last_step_evals
            else steps.ckpt_step_resolved
        end as ckpt_evals_step,
        coalesce(steps.ckpt_is_final and not checkpoints.has_evals, false) as is_step_mixed,
        case
            when not comparison_checkpoints.has_evals then steps.comparison_last_step_evals
            else steps.comparison_step
        end as comparison_evals_step,
        checkpoints.step as pt_step,
        checkpoints.tokens as pt_tokens,
        checkpoints.compute as pt_compute,
        checkpoints.compute_nominal as pt_compute_nominal,
        checkpoints.lr_at_step as pt_lr_at_step,
        checkpoints.cumulative_lr as pt_cumulative_lr,
        comparison_checkpoints.tokens as comparison_tokens,
        comparison_checkpoints.compute as comparison_compute

    from runs
    inner join steps on runs.run_path = steps.run_path
    left join evaluated on runs.run_path = evaluated.run_path
    left join checkpoints
        on steps.ckpt_recipe = checkpoints.recipe
        and steps.ckpt_params = checkpoints.params
        and steps.ckpt_seed = checkpoints.seed
        and steps.ckpt_step_resolved = checkpoints.step
    left join checkpoints as comparison_checkpoints
        on steps.comparison_recipe = comparison_checkpoints.recipe
        and steps.comparison_params = comparison_checkpoints.params
        and steps.comparison_seed = comparison_checkpoints.seed
        and steps.comparison_step = comparison_checkpoints.step

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
