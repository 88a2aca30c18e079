-- Cumulative tokens and compute never fall from one row of a run to the next: the fine-tuning goes
-- on from its checkpoint. Adding the config's total_compute_est counted the pretraining twice.
-- A counter that restarted and could not be repaired (runs.has_unrepaired_counter) is left out.
with

progressed as (

    select * from {{ ref('run_progressions') }}

),

runs as (

    select * from {{ ref('runs') }}
    where not has_unrepaired_counter

),

borders as (

    select
        progressed.run_path,
        max(progressed.cumulative_tokens) filter (where progressed.phase = 'pretraining')
            as pretraining_tokens,
        min(progressed.cumulative_tokens) filter (where progressed.phase = 'finetuning')
            as finetuning_tokens,
        max(progressed.cumulative_compute) filter (where progressed.phase = 'pretraining')
            as pretraining_compute,
        min(progressed.cumulative_compute) filter (where progressed.phase = 'finetuning')
            as finetuning_compute

    from progressed
    semi join runs on progressed.run_path = runs.run_path
    group by all

)

select * from borders
where finetuning_tokens < pretraining_tokens or finetuning_compute < pretraining_compute
