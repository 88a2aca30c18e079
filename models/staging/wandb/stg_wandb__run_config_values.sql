with

snapshots as (

    select * from {{ ref('base_wandb__runs') }}

),

entries as (

    {{ latest_run_entries('snapshots', 'config') }}

)

select * from entries
