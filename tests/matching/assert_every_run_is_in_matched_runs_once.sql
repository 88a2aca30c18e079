-- Older tooling dropped the runs that it could not match, and doubled those that joined twice.
with

runs as (

    select * from {{ ref('runs') }}

),

matched as (

    select * from {{ ref('matched_runs') }}

)

select
    runs.run_path as run_without_match,
    matched.run_path as match_without_run

from runs
full join matched on runs.run_path = matched.run_path
where runs.run_path is null or matched.run_path is null
