{{ config(materialized = 'view') }}

{#-
    Keys that were null, or had one value, in every run so far (2026-11), so that few marts show
    them. One that varies comes off these lists, and may become a core config key. A prototype
    decided such things from the first 51 rows and dropped a key that mattered in later ones; here
    all rows count. gradient_checkpointing, often counted among them, has two.
-#}
{%- set always_null = [
    'hf_entity', 'hf_repo_id', 'config_name', 'hf_repo_url', 'save_to_hub', 'dataset_mixer',
    'gs_bucket_path', 'tokenizer_name', 'max_train_steps', 'hf_repo_revision',
    'dataset_config_hash', 'dataset_config_name', 'resume_from_checkpoint', 'dataset_name',
    'oe_eval_tasks',
] -%}
{%- set constant = [
    'add_bos', 'use_fast', 'use_lora', 'lora_rank', 'use_qlora', 'lora_alpha', 'push_to_hub',
    'lora_dropout', 'weight_decay', 'with_tracking', 'clip_grad_norm', 'model_revision',
    'use_flash_attn', 'fused_optimizer', 'overwrite_cache', 'get_tokenizer_fn',
    'sft_messages_key', 'use_liger_kernel', 'ground_truths_key', 'low_cpu_mem_usage',
    'trust_remote_code', 'cache_dataset_only', 'dataset_skip_cache', 'use_8bit_optimizer',
    'use_slow_tokenizer', 'wandb_project_name', 'load_balancing_loss', 'concatenated_forward',
    'keep_last_n_checkpoints', 'try_auto_save_to_beaker', 'try_launch_beaker_eval_jobs',
    'do_not_randomize_output_dir',
] %}

with

config_values as (

    select * from {{ ref('int_run_configs__flattened') }}

),

valued as (

    select
        config_values.key,
        count(distinct config_values.value) as n_values,
        min(config_values.value) as value,
        max(config_values.value) as other_value

    from config_values
    where
        config_values.value is not null
        and (
            config_values.key in {{ sql_list(always_null) }}
            or config_values.key in {{ sql_list(constant) }}
        )
    group by all

),

issues as (

    select
        'new_config_key' as kind,
        valued.key as subject,
        valued.key as field,
        valued.value,
        if(valued.n_values > 1, 'also ' || valued.other_value, null) as detail

    from valued
    where valued.key in {{ sql_list(always_null) }} or valued.n_values > 1

)

select * from issues
