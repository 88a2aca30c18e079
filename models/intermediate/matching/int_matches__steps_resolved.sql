{{ config(materialized = 'view') }}

with

runs as (

    select * from {{ ref('int_runs__classified') }}

),

resolved as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

compared as (

    select * from {{ ref('int_runs__comparisons_resolved') }}

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

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
steps as (

    select
        ----------  ids
        runs.run_path,
        runs.run_type,

        ----------  checkpoint it started from
        resolved.ckpt_recipe,
        resolved.ckpt_params,
        resolved.ckpt_seed,
        resolved.ckpt_step,
        resolved.ckpt_is_final,
        case
            when resolved.ckpt_is_final then ckpt_curves.last_step
            else resolved.ckpt_step
        end as ckpt_step_resolved,
        ckpt_curves.last_step_evals as ckpt_last_step_evals,

        ----------  model it is matched to
        compared.comparison_recipe,
        compared.comparison_params,
        compared.comparison_metric,
        '{{ var("default_ckpt_seed") }}' as comparison_seed,
        comparison_curves.last_step as comparison_step,
        comparison_curves.last_step_evals as comparison_last_step_evals

    from runs
    inner join resolved on runs.run_path = resolved.run_path
    inner join compared on runs.run_path = compared.run_path
    left join curves as ckpt_curves
        on resolved.ckpt_recipe = ckpt_curves.recipe
        and resolved.ckpt_params = ckpt_curves.params
        and resolved.ckpt_seed = ckpt_curves.seed
    left join curves as comparison_curves
        on runs.run_type = 'matched'
        and compared.comparison_recipe = comparison_curves.recipe
        and compared.comparison_params = comparison_curves.params
        and comparison_curves.seed = '{{ var("default_ckpt_seed") }}'

)

select * from steps
