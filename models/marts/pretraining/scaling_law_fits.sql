with

parsed as (

    select * from {{ ref('int_scaling_law_fits__parsed') }}

)

select * from parsed
