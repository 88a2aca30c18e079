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
        count(*) as n_tasks,
        avg(tasks.primary_score) filter (where starts_with(tasks.task, 'mmlu_')) as mmlu,
        count(*) filter (where starts_with(tasks.task, 'mmlu_')) as n_subjects,
        (
            sum(tasks.primary_score) filter (where not starts_with(tasks.task, 'mmlu_')) + mmlu
        ) / 10 as olmes_10_macro_avg

    from tasks
    group by all

),

-- A checkpoint of which only some tasks were landed has no suite to compare.
checks as (

    select
        suites.*,
        mmlu_released.primary_metric as released_mmlu,
        suite_released.primary_metric as released_olmes_10_macro_avg

    from suites
    left join macro_avgs as mmlu_released
        on suites.recipe = mmlu_released.recipe
        and suites.params = mmlu_released.params
        and suites.seed = mmlu_released.seed
        and suites.step = mmlu_released.step
        and mmlu_released.task = 'mmlu'
    left join macro_avgs as suite_released
        on suites.recipe = suite_released.recipe
        and suites.params = suite_released.params
        and suites.seed = suite_released.seed
        and suites.step = suite_released.step
        and suite_released.task = 'olmes_10_macro_avg'

),

by_checkpoint as (

    {%- for name, reported, recomputed, tolerance in [
        ('task_count', '66', 'checks.n_tasks', '0'),
        ('macro_mmlu', 'checks.released_mmlu',
            'case when checks.n_subjects = 57 then checks.mmlu end', '1e-9'),
        ('macro_olmes_10', 'checks.released_olmes_10_macro_avg',
            'case when checks.n_tasks = 66 then checks.olmes_10_macro_avg end', '1e-9'),
    ] %}
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
        case
            when reported is not null and recomputed is not null then abs_diff <= tolerance
        end as is_ok

    from checks
    {{ 'union all by name' if not loop.last }}
    {%- endfor %}

)

select * from by_checkpoint
