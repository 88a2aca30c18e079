-- Tokens and compute are computed from the size and the step, and the release states both for every
-- evaluation: an evaluation of the wrong checkpoint, or a size with the wrong batch, shows here.
with

evals as (

    select * from {{ ref('pretrain_evals') }}

),

checkpoints as (

    select * from {{ ref('pretrain_checkpoints') }}

)

select
    evals.recipe,
    evals.params,
    evals.seed,
    evals.step,
    evals.task,
    evals.tokens_reported,
    checkpoints.tokens,
    evals.compute_reported,
    checkpoints.compute

from evals
inner join checkpoints
    on evals.recipe = checkpoints.recipe
    and evals.params = checkpoints.params
    and evals.seed = checkpoints.seed
    and evals.step = checkpoints.step
where
    checkpoints.tokens is not null
    and (
        evals.tokens_reported is distinct from checkpoints.tokens
        or (abs(evals.compute_reported - checkpoints.compute) <= 1e-9 * checkpoints.compute)
        is not true
    )
