with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}
    where run_type = 'matched'

),

compared as (

    select * from {{ ref('int_matches__metrics_compared') }}

),

tombstones as (

    select * from {{ ref('int_runs__tombstoned') }}

),

-- The metric that the group is named after, of the checkpoint and of the model it was matched to.
sort_metrics as (

    select
        matches.run_path,
        matches.comparison_params,
        matches.comparison_metric,
        matches.comparison_recipe,
        concat_ws(
            '_', matches.comparison_params, matches.comparison_metric, matches.comparison_recipe
        ) as matched_group_name,
        tombstones.run_path is not null as is_deleted,
        matches.match_status = 'matched' and tombstones.run_path is null as is_counted,
        compared.pt_value as ckpt_metric_value,
        compared.comparison_value as comparison_metric_value

    from matches
    left join compared
        on matches.run_path = compared.run_path
        and matches.comparison_metric = compared.metric
        and compared.task = 'perplexity'
    left join tombstones on matches.run_path = tombstones.run_path

),

group_metrics as (

    select
        sort_metrics.comparison_params,
        sort_metrics.comparison_metric,
        sort_metrics.comparison_recipe,
        median(sort_metrics.ckpt_metric_value) filter (where not sort_metrics.is_deleted)
            as matched_group_med_metric,
        avg(sort_metrics.ckpt_metric_value) filter (where not sort_metrics.is_deleted)
            as matched_group_avg_metric

    from sort_metrics
    group by all

),

-- Groups are numbered by the perplexity they were matched at, whatever set that is on.
numbered as (

    select
        group_metrics.*,
        row_number() over (
            order by
                group_metrics.matched_group_med_metric asc nulls last,
                group_metrics.comparison_params asc,
                group_metrics.comparison_metric asc,
                group_metrics.comparison_recipe asc
        ) as matched_group_id

    from group_metrics

),

grouped as (

    select
        sort_metrics.run_path,
        numbered.matched_group_id,
        sort_metrics.matched_group_name,
        sort_metrics.is_counted,
        sort_metrics.ckpt_metric_value,
        sort_metrics.comparison_metric_value,
        numbered.matched_group_med_metric,
        numbered.matched_group_avg_metric

    from sort_metrics
    inner join numbered
        on sort_metrics.comparison_params is not distinct from numbered.comparison_params
        and sort_metrics.comparison_metric is not distinct from numbered.comparison_metric
        and sort_metrics.comparison_recipe is not distinct from numbered.comparison_recipe

)

select * from grouped
