{{ config(materialized = 'view') }}

with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

summaries as (

    select * from {{ ref('int_runs__history_summarised') }}

),

unattributed as (

    select * from {{ ref('int_history__unattributed') }}

),

unread as (

    select * from {{ ref('stg_wandb__unread_clocks') }}

),

issues as (

    -- W&B's default history call samples 500 rows; dumps made with it look whole and are not. Runs
    -- may land before their history does: no rows at all are told by the coverage of the marts.
    select
        'incomplete_history' as kind,
        runs.run_path as subject,
        'n_history_rows' as field,
        cast(summaries.n_history_rows as varchar) as value,
        'W&B counts ' || runs.history_line_count as detail

    from runs
    inner join summaries on runs.run_path = summaries.run_path
    where summaries.n_history_rows > 0 and summaries.n_history_rows != runs.history_line_count
    union all
    select
        'unattributed_history' as kind,
        concat_ws('/', unattributed.entity, unattributed.project, unattributed.run_id) as subject,
        'run_path' as field,
        unattributed.run_id as value,
        unattributed.n_rows || ' rows' as detail

    from unattributed
    union all
    select
        'unread_history_clock' as kind,
        concat_ws('/', unread.entity, unread.project, unread.run_id) as subject,
        unread.field,
        unread.value,
        unread.n_rows || ' rows' as detail

    from unread
    union all
    select
        'unrepaired_counter' as kind,
        summaries.run_path as subject,
        'total_tokens' as field,
        null as value,
        summaries.n_counter_resets || ' restarts' as detail

    from summaries
    where summaries.has_unrepaired_counter
    union all
    select
        'truncated_log' as kind,
        runs.run_path as subject,
        'is_incomplete' as field,
        'true' as value,
        null as detail

    from runs
    where runs.is_incomplete

)

select * from issues
