with

snapshots as (

    select * from {{ ref('base_wandb__runs') }}

),

latest as (

    {{ latest_run_snapshots('snapshots') }}

),

-- Taken apart before old snapshots are left out: a join would copy whole payloads.
entries as (

    select
        snapshots._record_id,
        unnest(map_entries(snapshots.summary), recursive := true)

    from snapshots

),

latest_entries as (

    select
        latest.run_path,
        latest.run_id,
        entries.key,
        entries.value

    from entries
    inner join latest on entries._record_id = latest._record_id

)

select * from latest_entries
