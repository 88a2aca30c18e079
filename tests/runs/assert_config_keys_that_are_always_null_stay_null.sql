{{ config(severity = 'warn') }}

-- These keys were null in every run so far, so no mart shows them. A prototype decided such things
-- from the first 51 rows and dropped a key that mattered in later ones; here all rows count.
select
    config_values.key,
    config_values.value,
    count(*) as n_runs

from {{ ref('run_config_values') }} as config_values
where
    config_values.key in (
        'hf_entity', 'hf_repo_id', 'config_name', 'hf_repo_url', 'save_to_hub', 'dataset_mixer',
        'gs_bucket_path', 'tokenizer_name', 'max_train_steps', 'hf_repo_revision',
        'dataset_config_hash', 'dataset_config_name', 'resume_from_checkpoint', 'dataset_name',
        'oe_eval_tasks'
    )
    and config_values.value is not null
group by all
