{{ config(materialized = 'view') }}

with

unpivoted as (

    select * from {{ ref('int_pretrain_metrics__unpivoted') }}

),

final as (

    select
        recipe,
        params,
        seed,
        step,
        task,
        metric,
        value

    from unpivoted

)

select * from final
