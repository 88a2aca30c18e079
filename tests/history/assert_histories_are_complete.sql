{{ config(severity = 'warn') }}

-- W&B's default history call samples 500 rows; dumps made with it look whole and are not. Where W&B
-- says how many rows a run has, the landed history has as many. A warning, not an error: runs may
-- land before their history does.
select
    runs.run_path,
    runs.n_history_rows,
    runs.history_line_count

from {{ ref('runs') }} as runs
where runs.n_history_rows > 0 and runs.n_history_rows != runs.history_line_count
