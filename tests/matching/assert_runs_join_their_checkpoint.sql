-- The join that the docs' home page gives finds the one checkpoint of every run that has one. By
-- `ckpt_step`, which is null where a name says `main`, 110 final checkpoints of the demo fell out
-- without a word; without the seed each run came three times.
with

joined as (

    select
        runs.run_path,
        count(checkpoints.step) as n_checkpoints

    from {{ ref('runs') }} as runs
    left join {{ ref('pretrain_checkpoints') }} as checkpoints
        on runs.ckpt_recipe = checkpoints.recipe
        and runs.ckpt_params = checkpoints.params
        and runs.ckpt_seed = checkpoints.seed
        and runs.ckpt_step_resolved = checkpoints.step
    group by runs.run_path

)

select
    matched.run_path,
    matched.pt_step,
    joined.n_checkpoints

from {{ ref('matched_runs') }} as matched
inner join joined on matched.run_path = joined.run_path
where joined.n_checkpoints != if(matched.pt_step is null, 0, 1)
