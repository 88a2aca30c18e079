-- Older aggregates computed tokens per step from rows and duplicated those whose ratio was rounded
-- otherwise; another helper took the size label for the parameter count. A step has exactly
-- batch x 2048 tokens, and a token costs 6 FLOP for each of the true parameters.
with

checkpoints as (

    select * from {{ ref('pretrain_checkpoints') }}

),

sizes as (

    select * from {{ ref('model_sizes') }}

)

select
    checkpoints.recipe,
    checkpoints.params,
    checkpoints.seed,
    checkpoints.step,
    checkpoints.tokens,
    checkpoints.compute,
    checkpoints.compute_nominal

from checkpoints
inner join sizes on checkpoints.params = sizes.params
where
    checkpoints.tokens is distinct from checkpoints.step * sizes.batch_size * 2048
    or (
        abs(checkpoints.compute / 6 / sizes.n_params - checkpoints.tokens)
        <= 1e-12 * checkpoints.tokens
    ) is not true
    or (
        abs(checkpoints.compute_nominal / 6 / sizes.params_numeric - checkpoints.tokens)
        <= 1e-12 * checkpoints.tokens
    ) is not true
