-- The suite is complete and closed: 25 recipes, 14 sizes, 5 seed labels, 66 leaf tasks of which
-- 57 are MMLU subjects, 11 perplexity sets. Everything that counts rows per checkpoint relies on
-- it (66 rows in the train split, 11 in macro_avg, 11 perplexities).
with

counts as (

    select
        'recipes' as counted,
        25 as expected,
        count(*) as actual

    from {{ ref('recipes') }}

    union all by name

    select
        'model sizes' as counted,
        14 as expected,
        count(*) as actual

    from {{ ref('model_sizes') }}

    union all by name

    select
        'seeds' as counted,
        5 as expected,
        count(*) as actual

    from {{ ref('seeds') }}

    union all by name

    select
        unnest(['leaf tasks', 'OLMES tasks', 'MMLU subjects', 'perplexity sets']) as counted,
        unnest([66, 9, 57, 11]) as expected,
        unnest([
            count(*) filter (where task_group in ('olmes', 'mmlu')),
            count(*) filter (where task_group = 'olmes'),
            count(*) filter (where task_group = 'mmlu' and starts_with(task, 'mmlu_')),
            count(*) filter (where task_group = 'perplexity')
        ]) as actual

    from {{ ref('tasks') }}

)

select * from counts
where actual is distinct from expected
