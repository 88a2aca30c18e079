with

placed_rows as (

    select * from {{ ref('int_history__placed_rows') }}
    where superseded_by is null

),

contested_rows as (

    select * from {{ ref('int_history__contested_rows') }}

),

merged_metrics as (

    select * from {{ ref('int_history__merged_metrics') }}

),

settled as (

    select
        contested_rows.run_path,
        contested_rows.step,
        placed_rows.row_ordinal,
        any_value(contested_rows.entity) as entity,
        any_value(contested_rows.project) as project,
        any_value(contested_rows.run_id) as run_id,
        max(contested_rows.session) as session,
        -- As exactly as the time is known.
        arg_max(
            contested_rows.epoch_s,
            (-{{ time_grain('contested_rows.epoch_s') }}, contested_rows.export_number)
        ) as epoch_s,
        {%- for name in ['runtime_s', 'train_loss', 'learning_rate', 'total_tokens',
                         'total_tokens_exact'] %}
        arg_max(contested_rows.{{ name }}, contested_rows.export_number) as {{ name }},
        {%- endfor %}
        any_value(contested_rows.metrics) as metrics

    from placed_rows
    inner join contested_rows on placed_rows.row_key = contested_rows.row_key
    group by all

),

merged as (

    select
        settled.* exclude (metrics),
        case
            when merged_metrics.run_path is null then settled.metrics
            else nullif(merged_metrics.metrics, '{}')
        end as metrics

    from settled
    left join merged_metrics
        on settled.run_path = merged_metrics.run_path
        and settled.step is not distinct from merged_metrics.step
        and settled.row_ordinal = merged_metrics.row_ordinal

)

select * from merged
