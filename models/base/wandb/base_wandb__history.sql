{{ config(pre_hook = "{{ set_landed_files('wandb', 'history') }}") }}

with

landed as (

    select * from {{ source('wandb', 'history') }}

),

files as (

    select
        *,
        -- Times of exports come in several spellings; landing times in one, of equal length.
        strftime(
            coalesce(try_cast(exported_at as timestamptz), try_cast(landed_at as timestamptz)),
            '%Y-%m-%dT%H:%M:%S.%f'
        ) || landed_at as batch_order

    from {{ ref('base_landing__files') }}

),

located as (

    select
        files.entity,
        files.project,
        landed.* exclude (filename),
        files.path as _source_file,
        files.batch_id as _batch_id,
        files.batch_order as _batch_order

    from landed
    inner join files on landed.filename = '{{ raw_dir() }}/' || files.path

)

select * from located
