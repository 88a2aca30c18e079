-- Statistics over seeds once lost the groups in which one seed only has a value, because their
-- deviation is null and the long form was made without nulls (2026-11): 1 seed, 28 metrics, gone.
-- The seeds that are counted are the values of the long form, no more and no fewer.
with

stats as (

    select
        stats.params,
        stats.step,
        stats.metric,
        sum(stats.n_seeds) as n_values

    from {{ ref('pretrain_seed_stats') }} as stats
    group by all

),

metrics as (

    select
        metrics.params,
        metrics.step,
        metrics.metric,
        count(*) as n_values

    from {{ ref('pretrain_metrics') }} as metrics
    group by all

)

select
    coalesce(stats.params, metrics.params) as params,
    coalesce(stats.step, metrics.step) as step,
    coalesce(stats.metric, metrics.metric) as metric,
    stats.n_values as n_values_counted,
    metrics.n_values

from stats
full join metrics
    on stats.params = metrics.params
    and stats.step = metrics.step
    and stats.metric = metrics.metric
where stats.n_values is distinct from metrics.n_values
