{{ config(pre_hook = "{{ set_landed_files('wandb', 'history') }}") }}

with

landed as (

    {{ landed_rows(
        source('wandb', 'history'),
        also = ['files.entity', 'files.project', 'files.origin', 'files.exported_at']
    ) }}

),

dated as (

    select
        * exclude (origin, exported_at),
        origin as _origin,
        -- What comes from W&B itself was said when it landed.
        try_cast(
            coalesce(exported_at, case when origin = 'live' then _landed_at end) as timestamptz
        ) as _exported_at

    from landed

)

select * from dated
