with

compared as (

    select * from {{ ref('int_matches__metrics_compared') }}

),

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

final as (

    select
        compared.run_path,
        matches.run_id,
        matches.run_type,
        matches.match_status,
        compared.task,
        compared.metric,
        compared.pt_value,
        compared.ft_value,
        compared.comparison_value,
        compared.delta,
        compared.delta_vs_comparison,
        compared.direction

    from compared
    inner join matches on compared.run_path = matches.run_path

)

select * from final
