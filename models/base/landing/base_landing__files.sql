{{ config(materialized = 'table', pre_hook = "{{ set_manifest_files() }}") }}

with

manifests as (

    select * from {{ source('landing', 'manifests') }}
    -- A W&B export that landed again, because an earlier version had read less of it, takes the
    -- place of what it gave.
    qualify
        source != 'wandb'
        or input_sha256 is null
        or row_number() over (partition by source, input_sha256 order by batch_id desc) = 1

),

files as (

    select
        manifests.batch_id,
        manifests.source,
        case when manifests.source = 'wandb' then {{ export_origin('manifests.arguments') }} end
            as origin,
        manifests.arguments,
        manifests.exported_at,
        manifests.finished_at as landed_at,
        unnest(manifests.files, recursive := true)

    from manifests

)

select * from files
