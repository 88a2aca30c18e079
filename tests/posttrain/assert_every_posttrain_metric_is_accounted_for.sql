-- What is nested in extra_metrics is lost by a loader that reads the members of `metrics` and no
-- deeper, and what is named `token[0]` by one that takes it for an element of a list. Every value
-- of an evaluation is a metric, or is counted as another value; those of the newest evaluation are
-- all in posttrain_evals. The values are counted by the tree of the reported text.
with recursive

evaluations as (

    select * from {{ ref('posttrain_evaluations') }}

),

trees as (

    select
        evaluations.evaluation_id,
        node.id,
        node.parent,
        node.type

    from evaluations, json_tree(evaluations.metrics) as node

),

-- Lists are values as a whole.
walked as (

    select * from trees
    where parent is null
    union all
    select trees.*
    from walked
    inner join trees
        on walked.evaluation_id = trees.evaluation_id and walked.id = trees.parent
    where walked.type = 'OBJECT'

),

reported as (

    select
        walked.evaluation_id,
        count(*) as n_values

    from walked
    where walked.type != 'OBJECT'
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
    reported.n_values,
    evals.n_metrics as n_in_evals

from evaluations
left join reported on evaluations.evaluation_id = reported.evaluation_id
left join evals on evaluations.evaluation_id = evals.evaluation_id
where
    evaluations.n_metrics + evaluations.n_other_metrics != coalesce(reported.n_values, 0)
    or (evaluations.is_newest and evaluations.n_metrics != coalesce(evals.n_metrics, 0))
