-- depends_on: {{ ref('pretrain_checkpoints') }}
-- The split macro_avg has 11 rows for each checkpoint: the ten OLMES tasks, MMLU being one of them,
-- and their average.
select
    params,
    recipe_raw,
    seed_raw,
    step,
    _landed_at,
    count(*) as n_rows,
    count(distinct task) as n_tasks

from {{ ref('stg_huggingface__macro_avgs') }}
group by all
having n_rows != 11 or n_tasks != 11
