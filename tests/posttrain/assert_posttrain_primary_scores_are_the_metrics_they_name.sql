-- primary_score is the metric that the task's configuration names (spec instances, section 5). A
-- judge that rewrites one of the two and not the other leaves a score that no metric has.
with

evaluations as (

    select * from {{ ref('posttrain_evaluations') }}

),

evals as (

    select * from {{ ref('posttrain_evals') }}

)

select
    evaluations.evaluation_id,
    evaluations.task,
    evaluations.primary_metric,
    evaluations.primary_score,
    evals.value

from evaluations
inner join evals
    on evaluations.evaluation_id = evals.evaluation_id
    and evaluations.primary_metric = evals.metric_name
where
    not evaluations.is_suite
    and evals.value <> evaluations.primary_score
    and abs(evals.value - evaluations.primary_score) > 1e-12
