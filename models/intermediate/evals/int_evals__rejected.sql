{{ config(materialized = 'view') }}

with

unpivoted as (

    select * from {{ ref('int_evals__unpivoted') }}
    where form = 'unknown'

),

parsed as (

    select * from {{ ref('int_evals__parsed') }}
    where reported_value is null

),

rejected as (

    select
        unpivoted.run_path,
        unpivoted.source_key,
        unpivoted.value_json

    from unpivoted
    union all
    select
        parsed.run_path,
        'oe_eval_metrics/' || parsed.task_name || '/' || parsed.metric as source_key,
        parsed.value_json

    from parsed

)

select * from rejected
