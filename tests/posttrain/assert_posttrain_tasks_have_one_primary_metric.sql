-- A filter on is_primary is how one score of each task is read: with two a task counts twice, and
-- without one it is missing. Only a task that reports neither its primary metric nor a
-- primary_score may have none.
with

evaluations as (

    select * from {{ ref('posttrain_evaluations') }}

),

evals as (

    select * from {{ ref('posttrain_evals') }}

)

select
    evals.evaluation_id,
    evals.model,
    evals.task_name,
    count(*) filter (where evals.is_primary) as n_primary,
    coalesce(
        bool_or(evals.metric_name in ('primary_score', evaluations.primary_metric)), false
    ) as has_one

from evals
inner join evaluations on evals.evaluation_id = evaluations.evaluation_id
group by all
having n_primary > 1 or (n_primary = 0 and has_one)
