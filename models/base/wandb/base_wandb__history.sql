{{ config(pre_hook = "{{ set_landed_files('wandb', 'history') }}") }}

with

landed as (

    {{ landed_rows(
        source('wandb', 'history'), also = ['files.entity', 'files.project', 'files.exported_at']
    ) }}

),

ordered as (

    select
        * exclude (exported_at, _landed_at),
        -- Times of exports come in several spellings; landing times in one, of equal length.
        strftime(
            coalesce(try_cast(exported_at as timestamptz), try_cast(_landed_at as timestamptz)),
            '%Y-%m-%dT%H:%M:%S.%f'
        ) || _landed_at as _batch_order

    from landed

)

select * from ordered
