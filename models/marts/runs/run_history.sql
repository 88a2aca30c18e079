{{ config(materialized = 'view') }}

with

repaired as (

    select * from {{ ref('int_history__repaired') }}

),

final as (

    select
        repaired.run_path,
        repaired.entity,
        repaired.project,
        repaired.run_id,
        repaired.step,
        repaired.row_ordinal,
        repaired.session,
        repaired.logged_at,
        repaired.runtime_s,
        repaired.train_loss,
        repaired.learning_rate,
        coalesce(isfinite(repaired.train_loss), true)
            and coalesce(isfinite(repaired.learning_rate), true) as is_finite,
        repaired.total_tokens,
        repaired.total_tokens_raw,
        repaired.is_counter_unrepaired,
        repaired.metrics

    from repaired

)

select * from final
