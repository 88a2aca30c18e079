{{ config(pre_hook = "{{ set_landed_files('wandb', 'runs') }}") }}

with

landed as (

    select * from {{ source('wandb', 'runs') }}

),

files as (

    select * from {{ ref('base_landing__files') }}

),

located as (

    select
        landed.* exclude (filename),
        files.path as _source_file,
        files.batch_id as _batch_id,
        files.landed_at as _landed_at,
        files.path || ':' || landed.line as _record_id,
        -- An export that does not say when it was made is as old as the run's last sign of life.
        coalesce(
            try_cast(landed.exported_at as timestamptz),
            try_cast(landed.heartbeat_at as timestamptz),
            try_cast(landed.system_attrs.heartbeatat as timestamptz),
            try_cast(landed.created_at as timestamptz)
        ) as _snapshot_at

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
