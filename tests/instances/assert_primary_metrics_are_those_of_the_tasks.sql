-- `primary_score` is another accuracy from task to task: unconditioned for csqa, per character for
-- hellaswag. An evaluation that was configured for another one must not be compared with the rest.
select
    tasks.recipe,
    tasks.params,
    tasks.seed,
    tasks.step,
    tasks.task,
    tasks.primary_metric,
    tasks.expected_primary_metric

from {{ ref('int_instance_tasks__compared') }} as tasks
where
    tasks.expected_primary_metric is not null
    and tasks.primary_metric is distinct from tasks.expected_primary_metric
