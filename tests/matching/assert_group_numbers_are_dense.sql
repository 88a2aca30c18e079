-- Groups are numbered 1, 2, 3, ... in the order of the metric that they were matched on; older
-- tooling ordered every group without `c4` in its name by pile, whatever it was matched on.
with

numbered as (

    select
        groups_.matched_group_id,
        groups_.matched_group_med_metric,
        row_number() over (order by groups_.matched_group_id) as expected_id,
        lag(groups_.matched_group_med_metric) over (order by groups_.matched_group_id)
            as previous_metric

    from {{ ref('matched_groups') }} as groups_

)

select * from numbered
where
    matched_group_id <> expected_id
    or matched_group_med_metric < previous_metric
    or (previous_metric is null and expected_id > 1 and matched_group_med_metric is not null)
