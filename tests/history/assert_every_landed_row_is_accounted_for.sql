-- The newest export of a run once replaced the others whole: of three exports of one metric each,
-- two thirds of the values were gone, and nobody was told (2026-11). Each landed row of a run is in
-- the account of its batch now, and what that shows is what the history shows, run by run.
with

landed as (

    select
        attributed.run_path,
        count(*) as n_rows

    from {{ ref('int_history__attributed') }} as attributed
    where attributed.run_path is not null
    group by all

),

accounted as (

    select
        sources.run_path,
        sum(sources.n_rows_landed) as n_rows_landed,
        sum(sources.n_rows_shown) as n_rows_shown

    from {{ ref('run_history_sources') }} as sources
    group by all

),

runs as (

    select * from {{ ref('runs') }}

)

select
    landed.run_path,
    landed.n_rows,
    accounted.n_rows_landed,
    accounted.n_rows_shown,
    runs.n_history_rows

from landed
left join accounted on landed.run_path = accounted.run_path
left join runs on landed.run_path = runs.run_path
where
    landed.n_rows is distinct from accounted.n_rows_landed
    or accounted.n_rows_shown is distinct from runs.n_history_rows
