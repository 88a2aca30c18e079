{{ config(materialized = 'view') }}

with

attributed as (

    select * from {{ ref('int_history__attributed') }}
    where run_path is not null

),

-- Not materialised, so that a query of one column reads one column.
contested_rows as not materialized (

    select * from {{ ref('int_history__contested_rows') }}

),

contested_runs as (

    select distinct contested_rows.run_path
    from contested_rows

),

-- Nearly every run was exported once and logged every step once: its rows pass as they are.
deduplicated as (

    select
        attributed.* exclude (_batch_id, _batch_order),
        0 as row_ordinal

    from attributed
    anti join contested_runs on attributed.run_path = contested_runs.run_path
    union all by name
    select contested_rows.*
    from contested_rows

)

select * from deduplicated
