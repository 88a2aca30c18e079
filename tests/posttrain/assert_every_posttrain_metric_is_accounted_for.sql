-- What is nested in extra_metrics is lost by a loader that reads the members of `metrics` and no
-- deeper. Every value of an evaluation is a metric, or is counted as another value; those of the
-- newest evaluation are all in posttrain_evals.
with

evaluations as (

    select * from {{ ref('posttrain_evaluations') }}

),

flattened as (

    select
        flattened.evaluation_id,
        count(*) as n_values

    from {{ ref('int_posttrain_metrics__flattened') }} as flattened
    group by all

),

evals as (

    select
        evals.evaluation_id,
        count(*) as n_metrics

    from {{ ref('posttrain_evals') }} as evals
    group by all

)

select
    evaluations.evaluation_id,
    evaluations.n_metrics,
    evaluations.n_other_metrics,
    flattened.n_values,
    evals.n_metrics as n_in_evals

from evaluations
left join flattened on evaluations.evaluation_id = flattened.evaluation_id
left join evals on evaluations.evaluation_id = evals.evaluation_id
where
    evaluations.n_metrics + evaluations.n_other_metrics != coalesce(flattened.n_values, 0)
    or (evaluations.is_newest and evaluations.n_metrics != coalesce(evals.n_metrics, 0))
