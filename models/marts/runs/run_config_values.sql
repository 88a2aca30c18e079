{{ config(materialized = 'view') }}

with

config_values as (

    select * from {{ ref('int_run_configs__flattened') }}

),

final as (

    select
        config_values.run_path,
        string_split(config_values.run_path, '/')[1] as entity,
        string_split(config_values.run_path, '/')[2] as project,
        config_values.run_id,
        config_values.key,
        config_values.value,
        config_values.value_type,
        starts_with(config_values.key, 'pretrain_eval') as is_pretrain_eval

    from config_values

)

select * from final
