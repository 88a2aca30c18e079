-- A metric without a line in seeds/metric_registry.csv has no direction and no unit; one that is
-- marked there as defective (total_prob_per_byte is the total per character) is not computed again.
with

listed as (

    select unnest({{ instance_metrics() }}) as metric

)

select
    listed.metric,
    metrics.canonical_metric,
    metrics.is_defective

from listed
left join {{ ref('metrics') }} as metrics on listed.metric = metrics.metric
where
    metrics.metric is null
    or metrics.is_defective
    or metrics.metric != metrics.canonical_metric
