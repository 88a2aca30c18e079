{{ config(materialized = 'view') }}

with

attributed as (

    select * from {{ ref('int_history__attributed') }}

),

unattributed as (

    select
        attributed.run_id,
        attributed.entity,
        attributed.project,
        count(*) as n_rows

    from attributed
    where attributed.run_path is null
    group by all

)

select * from unattributed
