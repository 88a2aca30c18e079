-- A checkpoint has 37,682 evaluated questions: 23,640 in the nine OLMES tasks, 14,042 in MMLU.
-- The question counts of the suites are the sums over their tasks. Their chance accuracy is the
-- unweighted mean of the tasks' (MMLU counts as one task of OLMES-10), as the suites' scores are.
with

tasks as (

    select * from {{ ref('tasks') }}

),

expected as (

    select
        'core_9mcqa' as suite,
        23640 as n_published,
        sum(n_instances) as n_instances,
        avg(chance_accuracy) as chance_accuracy

    from tasks
    where task_group = 'olmes'

    union all by name

    select
        unnest(['mmlu', 'mmlu_average']) as suite,
        14042 as n_published,
        sum(n_instances) as n_instances,
        avg(chance_accuracy) as chance_accuracy

    from tasks
    where task_group = 'mmlu'

    union all by name

    select
        'olmes_10_macro_avg' as suite,
        37682 as n_published,
        sum(n_instances) as n_instances,
        avg(chance_accuracy) as chance_accuracy

    from tasks
    where task_group = 'olmes' or task = 'mmlu'

),

suites as (

    select * from tasks
    where task_group = 'suite'

),

compared as (

    select
        expected.*,
        suites.n_instances as n_instances_of_suite,
        suites.chance_accuracy as chance_accuracy_of_suite

    from expected
    full outer join suites
        on expected.suite = suites.task

)

select * from compared
where
    n_instances_of_suite is distinct from n_instances
    or n_instances is distinct from n_published
    or (abs(chance_accuracy_of_suite - chance_accuracy) < 1e-12) is not true
