with

grouped as (

    select * from {{ ref('int_matches__grouped') }}

),

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

pivoted as (

    select * from {{ ref('int_matches__metrics_pivoted') }}

),

members as (

    select
        grouped.*,
        matches.comparison_params,
        matches.comparison_metric,
        matches.comparison_recipe,
        matches.comparison_step,
        matches.ckpt_recipe,
        matches.ckpt_params,
        matches.ckpt_seed,
        matches.ckpt_step_resolved,
        pivoted.* exclude (run_path)

    from grouped
    inner join matches on grouped.run_path = matches.run_path
    left join pivoted on grouped.run_path = pivoted.run_path

),

-- Statistics are over runs, not over distinct checkpoints; n_checkpoints tells the difference.
final as (

    select
        cast(members.matched_group_id as integer) as matched_group_id,
        members.matched_group_name,
        members.comparison_params,
        members.comparison_metric,
        members.comparison_recipe,
        any_value(members.comparison_step) as comparison_step,
        any_value(members.comparison_metric_value) as comparison_metric_value,
        count(*) as n_members,
        count(*) filter (where members.is_counted) as n_runs,
        count(distinct concat_ws(
            '/',
            members.ckpt_recipe, members.ckpt_params, members.ckpt_seed, members.ckpt_step_resolved
        )) filter (where members.is_counted) as n_checkpoints,
        members.matched_group_med_metric,
        members.matched_group_avg_metric,
        {%- for task, metric in matched_columns() %}
        {%- set delta = 'delta_' ~ task ~ '_' ~ metric %}
        avg(members.{{ delta }}) filter (where members.is_counted) as group_avg_{{ delta }},
        median(members.{{ delta }}) filter (where members.is_counted) as group_med_{{ delta }},
        stddev_samp(members.{{ delta }}) filter (where members.is_counted)
            as group_std_{{ delta }},
        mad(members.{{ delta }}) filter (where members.is_counted)
            as group_mad_{{ delta }}{{ ',' if not loop.last }}
        {%- endfor %}

    from members
    group by all

)

select * from final
