{{ config(severity = 'warn') }}

-- One tool unpacked its pattern registry wrongly, compiled none of them, and typed EVERY run as old
-- or other; each single test of it passed. So the share of typed runs is tested, where there are
-- enough runs for a share to mean something. A warning, which CI makes an error: a project with
-- names of its own may land too.
select
    count(*) as n_runs,
    count(*) filter (where runs.run_type not in ('old', 'other')) as n_typed_runs

from {{ ref('runs') }} as runs
having n_runs >= 20 and n_typed_runs < n_runs / 2
