{{ config(
    error_if = '> ' ~ var('max_wrong_pretrain_steps'),
    warn_if = '> ' ~ var('max_wrong_pretrain_steps'),
) }}

-- config.pretrain_steps of 250901-155734 says 69369, the schedule of the 1B models, for a 150M
-- (38157). That is why pretrain_* never describes a checkpoint here; runs where it is off by more
-- than 50 steps are listed.
select
    hyperparameters.run_path,
    hyperparameters.model_size_params,
    hyperparameters.config_pretrain_steps,
    sizes.final_step

from {{ ref('int_runs__hyperparameters_resolved') }} as hyperparameters
inner join {{ ref('model_sizes') }} as sizes
    on hyperparameters.model_size_params = sizes.params
where abs(hyperparameters.config_pretrain_steps - sizes.final_step) > 50
