{{ config(severity = 'warn') }}

-- The hub snapshot that training loaded names recipe and size too.
select
    checkpoints.run_path,
    checkpoints.ckpt_recipe,
    checkpoints.model_path_recipe,
    checkpoints.ckpt_params,
    checkpoints.model_path_params

from {{ ref('int_runs__checkpoints_resolved') }} as checkpoints
where
    checkpoints.ckpt_recipe != checkpoints.model_path_recipe
    or checkpoints.ckpt_params != checkpoints.model_path_params
