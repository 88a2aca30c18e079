{{ config(materialized = 'view') }}

with

config_values as (

    select * from {{ ref('stg_wandb__run_config_values') }}

),

-- The first character of a JSON value tells its type, and only text needs decoding: JSON functions
-- on every one of a million small values would take twice the time.
flattened as (

    select
        config_values.run_path,
        config_values.run_id,
        config_values.key,
        -- Text without its quotes; numbers, lists and objects as the JSON they were logged as.
        case
            when starts_with(cast(config_values.value as varchar), '"')
                then config_values.value ->> '$'
            else cast(config_values.value as varchar)
        end as value,
        case coalesce(left(cast(config_values.value as varchar), 1), 'null')
            when '"' then 'text'
            when '{' then 'object'
            when '[' then 'list'
            when 't' then 'boolean'
            when 'f' then 'boolean'
            when 'null' then 'null'
            else
                case
                    when regexp_full_match(cast(config_values.value as varchar), '-?[0-9]+')
                        then 'integer'
                    else 'number'
                end
        end as value_type

    from config_values

)

select * from flattened
