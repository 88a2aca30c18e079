with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

grouped as (

    select * from {{ ref('int_matches__grouped') }}

),

pivoted as (

    select * from {{ ref('int_matches__metrics_pivoted') }}

),

sized as (

    select * from {{ ref('int_runs__compute_counted') }}

),

tombstones as (

    select * from {{ ref('int_runs__tombstoned') }}

),

final as (

    select
        ----------  ids
        matches.run_path,
        matches.run_id,
        matches.run_type,
        matches.state,
        matches.match_status,
        tombstones.run_path is not null as is_deleted,

        ----------  group
        cast(grouped.matched_group_id as integer) as matched_group_id,
        grouped.matched_group_name,
        coalesce(grouped.is_counted, false) as is_counted_in_group,

        ----------  checkpoint it started from
        matches.ckpt_recipe,
        matches.ckpt_params,
        matches.ckpt_seed,
        matches.ckpt_step,
        matches.ckpt_is_final,
        matches.ckpt_step_resolved,
        matches.is_step_mixed,
        matches.ckpt_evals_step,

        ----------  model it is matched to
        matches.comparison_recipe,
        matches.comparison_params,
        matches.comparison_metric,
        matches.comparison_step,
        matches.comparison_tokens,
        matches.comparison_compute,
        grouped.comparison_metric_value,
        grouped.ckpt_metric_value,
        grouped.ckpt_metric_value - grouped.comparison_metric_value as match_error,
        match_error / grouped.comparison_metric_value as match_error_relative,

        ----------  pretraining of the checkpoint
        matches.pt_step,
        matches.pt_tokens,
        matches.pt_compute,
        matches.pt_compute_nominal,
        matches.pt_lr_at_step,
        matches.pt_cumulative_lr,

        ----------  pretraining and fine-tuning together
        sized.pt_ft_tokens,
        sized.pt_ft_tokens_real,
        sized.pt_ft_compute,
        sized.pt_ft_compute_real,

        ----------  metrics
        {%- for side in ['pt', 'comparison'] %}
        {%- for column in perplexity_columns() %}
        pivoted."{{ side }}_{{ column }}" as {{ unquoted(side ~ '_' ~ column) }},
        {%- endfor %}
        {%- endfor %}
        pivoted.* exclude (run_path)

    from matches
    left join grouped on matches.run_path = grouped.run_path
    left join pivoted on matches.run_path = pivoted.run_path
    left join sized on matches.run_path = sized.run_path
    left join tombstones on matches.run_path = tombstones.run_path

)

select * from final
