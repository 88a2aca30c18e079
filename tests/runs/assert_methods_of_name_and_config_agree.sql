{{ config(severity = 'warn') }}

-- A DPO run whose name is read as fine-tuning (or the reverse) lands in the wrong half of every
-- comparison. The config knows: dpo_beta or dpo_loss_type is set for DPO only.
select
    hyperparameters.run_path,
    hyperparameters.config_method,
    classified.run_type

from {{ ref('int_runs__hyperparameters_resolved') }} as hyperparameters
inner join {{ ref('int_runs__classified') }} as classified
    on hyperparameters.run_path = classified.run_path
where
    classified.run_type not in ('old', 'other')
    and (hyperparameters.config_method = 'dpo') != (classified.run_type = 'dpo')
