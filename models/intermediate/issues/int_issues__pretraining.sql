{{ config(materialized = 'view') }}

with

evals as (

    select * from {{ ref('int_pretrain_evals__identified') }}

),

staged as (

    {%- for relation in ['stg_huggingface__evals', 'stg_huggingface__macro_avgs'] %}
    select
        staged.params,
        staged.recipe_raw,
        staged.seed_raw,
        staged.step,
        staged.task,
        staged.is_parsed,
        staged.n_unread,
        staged.metrics_unread

    from {{ ref(relation) }} as staged
    where not staged.is_parsed or staged.n_unread is distinct from 0
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

tasks as (

    select * from {{ ref('task_registry') }}
    where task_group in ('olmes', 'mmlu')

),

fits as (

    select * from {{ ref('int_scaling_law_fits__parsed') }}

),

averages as (

    select * from {{ ref('int_pretrain_averages__compared') }}

),

-- The release has 66 rows for each evaluated checkpoint: nine OLMES tasks and 57 subjects of MMLU.
-- MMLU was once averaged over what a broken download had left.
evaluated as (

    select
        {{ checkpoint_label('evals') }} as subject,
        count(tasks.task) as n_tasks

    from evals
    left join tasks on evals.task = tasks.task
    group by evals.recipe, evals.params, evals.seed, evals.step

),

-- An evaluation of the wrong checkpoint, or a size with the wrong batch, shows here.
placed as (

    select
        {{ checkpoint_label('evals') }} as subject,
        evals.task,
        evals.tokens_reported,
        evals.compute_reported,
        checkpoints.tokens,
        checkpoints.compute

    from evals
    inner join checkpoints
        on evals.recipe = checkpoints.recipe
        and evals.params = checkpoints.params
        and evals.seed = checkpoints.seed
        and evals.step = checkpoints.step
    where
        checkpoints.tokens is not null
        and (
            evals.tokens_reported is distinct from checkpoints.tokens
            or (abs(evals.compute_reported - checkpoints.compute) <= 1e-9 * checkpoints.compute)
            is not true
        )

),

issues as (

    select
        'unread_evaluation' as kind,
        concat_ws(
            '/', staged.recipe_raw, staged.params, staged.seed_raw, staged.step
        ) as subject,
        staged.task as field,
        cast(staged.metrics_unread as varchar) as value,
        null as detail

    from staged
    union all
    select
        'incomplete_checkpoint' as kind,
        evaluated.subject,
        'task' as field,
        cast(evaluated.n_tasks as varchar) as value,
        'of 66 tasks' as detail

    from evaluated
    where evaluated.n_tasks != 66
    union all
    select
        'wrong_released_average' as kind,
        {{ checkpoint_label('averages') }} as subject,
        averages.task as field,
        cast(averages.released as varchar) as value,
        'the tasks give ' || averages.recomputed as detail

    from averages
    where not averages.is_ok
    union all
    select
        'wrong_released_tokens' as kind,
        placed.subject,
        placed.task as field,
        concat_ws(' tokens, ', placed.tokens_reported, placed.compute_reported) as value,
        concat_ws(' tokens, ', placed.tokens, placed.compute) || ' follow' as detail

    from placed
    union all
    select
        'inconsistent_fit' as kind,
        concat_ws('/', fits.task, fits.metric, fits.setup) as subject,
        'decision_accuracy_pct' as field,
        cast(min(fits.decision_accuracy_pct) as varchar) as value,
        'to ' || max(fits.decision_accuracy_pct) as detail

    from fits
    group by fits.task, fits.metric, fits.setup
    having
        count(distinct fits.decision_accuracy_pct) > 1
        or min(fits.decision_accuracy_pct) < 0
        or max(fits.decision_accuracy_pct) > 100

)

select * from issues
