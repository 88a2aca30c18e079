-- The details are 37,682 questions a checkpoint, and a task without its questions still has a row
-- with its reported metrics. Every task has as many questions in the mart as it reports, and no
-- question is without its task.
with

tasks as (

    select
        tasks.recipe,
        tasks.params,
        tasks.seed,
        tasks.step,
        tasks.task,
        tasks.num_instances,
        tasks.n_questions

    from {{ ref('instance_tasks') }} as tasks

),

questions as (

    select
        questions.recipe,
        questions.params,
        questions.seed,
        questions.step,
        questions.task,
        count(*) as n_rows

    from {{ ref('instance_questions') }} as questions
    group by all

)

select
    coalesce(tasks.recipe, questions.recipe) as recipe,
    coalesce(tasks.params, questions.params) as params,
    coalesce(tasks.seed, questions.seed) as seed,
    coalesce(tasks.step, questions.step) as step,
    coalesce(tasks.task, questions.task) as task,
    tasks.num_instances,
    tasks.n_questions,
    questions.n_rows

from tasks
full join questions
    on tasks.recipe = questions.recipe
    and tasks.params = questions.params
    and tasks.seed = questions.seed
    and tasks.step = questions.step
    and tasks.task = questions.task
where
    coalesce(questions.n_rows, 0) is distinct from tasks.num_instances
    or coalesce(questions.n_rows, 0) is distinct from coalesce(tasks.n_questions, 0)
