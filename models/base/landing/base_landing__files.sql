{{ config(materialized = 'table', pre_hook = "{{ set_manifest_files() }}") }}

with

manifests as (

    select * from {{ source('landing', 'manifests') }}

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
