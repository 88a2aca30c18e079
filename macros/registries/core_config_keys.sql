{#-
    The config keys that `run_configs` shows as typed columns. To add one: a line here and its
    column in the two YAML files that CONTRIBUTING names.

    (key, type, is_hydrated). `exact` is a whole number that may be too large for a DOUBLE, or even a
    BIGINT, to hold all of its digits. A hydrated key is also looked for in the trainer's arguments when a
    later evaluation upload has overwritten the config, and has a `<key>_source` column.
-#}
{% macro core_config_keys() %}
    {{ return([
        ('exp_name',                    'text',    true),
        ('model_name_or_path',          'text',    true),
        ('model_revision',              'text',    true),
        ('model_size',                  'number',  true),
        ('model_type',                  'text',    false),
        ('tokenizer_name_or_path',      'text',    true),
        ('torch_dtype',                 'text',    false),
        ('transformers_version',        'text',    false),
        ('seed',                        'integer', true),
        ('learning_rate',               'number',  true),
        ('lr_scheduler_type',           'text',    true),
        ('warmup_ratio',                'number',  true),
        ('num_train_epochs',            'number',  true),
        ('max_train_samples',           'integer', true),
        ('max_seq_length',              'integer', true),
        ('per_device_train_batch_size', 'integer', true),
        ('gradient_accumulation_steps', 'integer', true),
        ('gradient_checkpointing',      'boolean', true),
        ('reduce_loss',                 'text',    true),
        ('weight_decay',                'number',  true),
        ('clip_grad_norm',              'number',  true),
        ('logging_steps',               'integer', true),
        ('checkpointing_steps',         'text',    true),
        ('use_lora',                    'boolean', true),
        ('use_qlora',                   'boolean', true),
        ('dataset_mixer_list',          'text',    true),
        ('dataset_transform_fn',        'text',    true),
        ('chat_template_name',          'text',    true),
        ('dpo_beta',                    'number',  true),
        ('dpo_loss_type',               'text',    true),
        ('dpo_label_smoothing',         'number',  true),
        ('dpo_gamma_beta_ratio',        'number',  true),
        ('finetune_sequences',          'integer', true),
        ('finetune_unique_sequences',   'integer', true),
        ('total_sequences',             'integer', false),
        ('pretrain_steps',              'integer', false),
        ('pretrain_tokens',             'integer', false),
        ('pretrain_sequences',          'integer', false),
        ('pretrain_compute',            'exact',   false),
        ('model_pretrain_steps',        'integer', true),
        ('model_pretrain_compute',      'exact',   true),
        ('total_compute_est',           'exact',   false),
        ('d_model',                     'integer', false),
        ('n_layers',                    'integer', false),
        ('n_heads',                     'integer', false),
        ('wandb_tags',                  'text',    true),
        ('timeout',                     'integer', false),
        ('initial_checkpoint_recipe',   'text',    false),
        ('initial_checkpoint_steps',    'text',    false),
    ]) }}
{% endmacro %}
