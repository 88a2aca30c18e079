{{ config(
    error_if = '> ' ~ var('max_unknown_comparison_metrics'),
    warn_if = '> ' ~ var('max_unknown_comparison_metrics'),
) }}

-- The metric a matched run is named after is one of the 11 perplexities; another canonicaliser made
-- "None None c4" and "pile None" of them.
select
    runs.comparison_metric,
    count(*) as n_runs

from {{ ref('runs') }} as runs
anti join {{ ref('metrics') }} as metrics on runs.comparison_metric = metrics.metric
where runs.comparison_metric is not null
group by all
