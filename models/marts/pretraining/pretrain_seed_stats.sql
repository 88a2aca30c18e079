{{ config(materialized = 'view') }}

with

computed as (

    select * from {{ ref('int_pretrain_seed_stats__computed') }}

),

final as (

    select
        recipe,
        params,
        step,
        metric,
        n_seeds,
        mean,
        std

    from computed

)

select * from final
