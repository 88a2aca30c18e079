{#- As in int_instance_checks__by_task. -#}
{%- set checks = [
    ('task_count', 'checks.n_asked_tasks', 'checks.n_tasks', '0'),
    ('known_checkpoint', '3', 'checks.n_known_names', '0'),
    ('macro_mmlu', 'case when checks.n_subjects = 57 then checks.released_mmlu end',
        'case when checks.n_subjects = 57 then checks.mmlu end', '1e-9'),
    ('macro_olmes_10', 'case when checks.n_tasks = 66 then checks.released_olmes_10 end',
        'case when checks.n_tasks = 66 then checks.olmes_10 end', '1e-9'),
] %}

with

tasks as (

    select * from {{ ref('int_instance_tasks__compared') }}

),

macro_avgs as (

    select * from {{ ref('int_pretrain_macro_avgs__identified') }}

),

-- MMLU is the plain mean of its subjects, and the suite that of its ten tasks, whatever the
-- numbers of their questions.
suites as (

    select
        tasks.recipe,
        tasks.params,
        tasks.seed,
        tasks.step,
        min(tasks.n_known_names) as n_known_names,
        count(*) as n_tasks,
        -- All 66, or with --task as many as each of its calls was asked for.
        list_sum(list_transform(
            list(distinct struct_pack(
                batch_id := tasks._batch_id, n_tasks := coalesce(tasks.n_asked_tasks, 66)
            )),
            lambda batch: batch.n_tasks
        )) as n_asked_tasks,
        count(*) filter (where starts_with(tasks.task, 'mmlu_')) as n_subjects,
        {{ sorted_avg("case when starts_with(tasks.task, 'mmlu_') then tasks.primary_score end") }}
            as mmlu,
        (
            9 * {{ sorted_avg(
                "case when not starts_with(tasks.task, 'mmlu_') then tasks.primary_score end"
            ) }} + mmlu
        ) / 10 as olmes_10

    from tasks
    group by all

),

released as (

    select
        macro_avgs.recipe,
        macro_avgs.params,
        macro_avgs.seed,
        macro_avgs.step,
        max(macro_avgs.primary_metric) filter (where macro_avgs.task = 'mmlu') as mmlu,
        max(macro_avgs.primary_metric) filter (where macro_avgs.task = 'olmes_10_macro_avg')
            as olmes_10

    from macro_avgs
    group by all

),

-- A checkpoint of which only some tasks have landed has no suite to compare.
checks as (

    select
        suites.*,
        released.mmlu as released_mmlu,
        released.olmes_10 as released_olmes_10

    from suites
    left join released
        on suites.recipe = released.recipe
        and suites.params = released.params
        and suites.seed = released.seed
        and suites.step = released.step

),

by_checkpoint as (

    {%- for name, reported, recomputed, tolerance in checks %}
    select
        checks.recipe,
        checks.params,
        checks.seed,
        checks.step,
        'all' as task,
        '{{ name }}' as check_name,
        cast({{ reported }} as double) as reported,
        cast({{ recomputed }} as double) as recomputed,
        abs(reported - recomputed) as abs_diff,
        cast({{ tolerance }} as double) as tolerance,
        {{ is_reconciled() }} as is_ok

    from checks
    {{ 'union all by name' if not loop.last }}
    {%- endfor %}

)

select * from by_checkpoint
