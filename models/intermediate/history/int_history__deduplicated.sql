{{ config(materialized = 'view') }}

with

attributed as (

    select * from {{ ref('int_history__attributed') }}
    where run_path is not null

),

contested_runs as (

    select distinct run_path from {{ ref('int_history__exports') }}
    where is_contested

),

-- Not materialised, so that a query of one column reads one column.
merged_rows as not materialized (

    select * from {{ ref('int_history__merged_rows') }}

),

-- Nearly every run was exported once and logged every step once: its rows pass as they are.
deduplicated as (

    select
        attributed.* exclude (_batch_id, _origin, _exported_at, _landed_at, input_row),
        0 as row_ordinal

    from attributed
    anti join contested_runs on attributed.run_path = contested_runs.run_path
    union all by name
    select merged_rows.*
    from merged_rows

)

select * from deduplicated
