{{ config(pre_hook = "{{ set_landed_files('wandb', 'runs') }}") }}

with

landed as (

    {{ landed_rows(source('wandb', 'runs'), also = ['files.origin as _origin']) }}

),

dated as (

    select
        *,
        _source_file || ':' || line as _record_id,
        -- An export that does not say when it was made is as old as the run's last sign of life.
        coalesce(
            {{ parse_time('exported_at') }},
            {{ parse_time('heartbeat_at') }},
            {{ parse_time('system_attrs.heartbeatat') }},
            {{ parse_time('created_at') }}
        ) as _snapshot_at

    from landed

)

select * from dated
