-- A run that says it is matched stands beside exactly one pretraining row: that of its recipe, its
-- size, its seed and its resolved step. Older tooling joined every run on seed 0, whatever its name
-- said.
with

matched as (

    select * from {{ ref('matched_runs') }}

),

checkpoints as (

    select * from {{ ref('pretrain_checkpoints') }}

)

select
    matched.run_path,
    matched.match_status,
    matched.ckpt_step_resolved

from matched
left join checkpoints
    on matched.ckpt_recipe = checkpoints.recipe
    and matched.ckpt_params = checkpoints.params
    and matched.ckpt_seed = checkpoints.seed
    and matched.ckpt_step_resolved = checkpoints.step
where
    (matched.match_status in ('matched', 'not_evaluated')) <> (checkpoints.step is not null)
    and matched.match_status not in ('no_recipe', 'no_params')
    or matched.pt_tokens <> checkpoints.tokens
    or (matched.ckpt_is_final and matched.match_status = 'matched' and not checkpoints.is_final)
