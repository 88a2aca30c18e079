with

typed as (

    select * from {{ ref('int_runs__config_typed') }}

)

select * from typed
