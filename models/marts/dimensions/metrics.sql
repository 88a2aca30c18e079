with

registry as (

    select * from {{ ref('metric_registry') }}

),

metrics as (

    select
        metric,
        canonical_metric,
        direction,
        unit,
        description,
        is_defective

    from registry

)

select * from metrics
