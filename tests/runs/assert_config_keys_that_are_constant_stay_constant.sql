{{ config(severity = 'warn') }}

-- These keys had one value in every run so far (gradient_checkpointing, often counted among them,
-- has two). Dashboards leave them out; when one begins to vary, it matters and belongs in
-- macros/registries/core_config_keys.sql. All runs are looked at, not the first 51.
select
    config_values.key,
    list(distinct config_values.value) as found_values

from {{ ref('run_config_values') }} as config_values
where config_values.key in (
        'add_bos', 'use_fast', 'use_lora', 'lora_rank', 'use_qlora', 'lora_alpha', 'push_to_hub',
        'lora_dropout', 'weight_decay', 'with_tracking', 'clip_grad_norm', 'model_revision',
        'use_flash_attn', 'fused_optimizer', 'overwrite_cache', 'get_tokenizer_fn',
        'sft_messages_key', 'use_liger_kernel', 'ground_truths_key', 'low_cpu_mem_usage',
        'trust_remote_code', 'cache_dataset_only', 'dataset_skip_cache', 'use_8bit_optimizer',
        'use_slow_tokenizer', 'wandb_project_name', 'load_balancing_loss',
        'concatenated_forward', 'keep_last_n_checkpoints', 'try_auto_save_to_beaker',
        'try_launch_beaker_eval_jobs', 'do_not_randomize_output_dir'
    )
group by all
having count(distinct config_values.value) > 1
