{{ config(pre_hook = "{{ set_landed_files('wandb', 'outcomes') }}") }}

{{ landed_rows(source('wandb', 'outcomes')) }}
