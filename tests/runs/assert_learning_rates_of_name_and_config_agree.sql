{{ config(severity = 'warn') }}

-- Older tooling filled the learning rate as text and let the DPO rate land in the SFT column: the
-- rate in the name and the one the trainer used then disagree.
select
    runs.run_path,
    runs.learning_rate,
    runs.learning_rate_source,
    runs.id_learning_rate

from {{ ref('runs') }} as runs
where abs(runs.learning_rate - runs.id_learning_rate) > 1e-9 * runs.id_learning_rate
