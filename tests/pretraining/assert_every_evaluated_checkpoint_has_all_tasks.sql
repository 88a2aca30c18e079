-- The release has 66 rows for each evaluated checkpoint: nine OLMES tasks and 57 subjects of MMLU.
-- Means over fewer would not compare: MMLU was once averaged over what a broken download had left.
with

tasks as (

    select tasks.task
    from {{ ref('tasks') }} as tasks
    where tasks.task_group in ('olmes', 'mmlu')

),

evals as (

    select
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        count(*) as n_rows,
        count(tasks.task) as n_known_tasks

    from {{ ref('pretrain_evals') }} as evals
    left join tasks on evals.task = tasks.task
    where evals.task != 'mmlu_average'
    group by all

)

select * from evals
where n_rows != 66 or n_known_tasks != 66
