with

-- Not materialised, so that only this payload is read.
snapshots as not materialized (

    select * from {{ ref('base_wandb__runs') }}

),

entries as (

    {{ current_run_entries('snapshots', 'summary') }}

)

select * from entries
