-- A landed file that was cut at the end of a line reads without an error and lacks rows.
{{ unread_files('wandb', [
    ref('base_wandb__runs'), ref('base_wandb__history'), ref('base_wandb__outcomes')
]) }}
