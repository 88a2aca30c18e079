-- The long form is a view over the wide one and never stored: what it says of a checkpoint and task
-- must be exactly the values of the wide rows, each once, none more. Compared by the sums of the
-- hashes of (metric, value), because joining six million rows by five keys costs ten times as much.
with

metrics as (

    select * from {{ ref('pretrain_metrics') }}

),

evals as (

    select * from {{ ref('pretrain_evals') }}

),

checkpoints as (

    select * from {{ ref('pretrain_checkpoints') }}

),

long_form as (

    select
        metrics.recipe,
        metrics.params,
        metrics.seed,
        metrics.step,
        metrics.task,
        count(*) as n_values,
        sum(hash(metrics.metric, metrics.value)) as fingerprint

    from metrics
    group by all

),

wide_form as (

    select
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        evals.task,
        {% for metric in eval_metrics() -%}
        case when evals.{{ metric }} is not null then 1 else 0 end{{ ' + ' if not loop.last }}
        {%- endfor %} as n_values,
        {% for metric in eval_metrics() -%}
        case
            when evals.{{ metric }} is null then cast(0 as hugeint)
            else hash(evals.task || '_{{ metric }}', evals.{{ metric }})
        end{{ ' + ' if not loop.last }}
        {%- endfor %} as fingerprint

    from evals
    where evals.task = 'mmlu_average' or not starts_with(evals.task, 'mmlu_')
    union all
    select
        checkpoints.recipe,
        checkpoints.params,
        checkpoints.seed,
        checkpoints.step,
        null as task,
        {% for name in perplexity_sets() -%}
        case
            when checkpoints."{{ name }}-valppl" is null then 0 else 1
        end{{ ' + ' if not loop.last }}
        {%- endfor %} as n_values,
        {% for name in perplexity_sets() -%}
        case
            when checkpoints."{{ name }}-valppl" is null then cast(0 as hugeint)
            else hash('{{ name }}-valppl', checkpoints."{{ name }}-valppl")
        end{{ ' + ' if not loop.last }}
        {%- endfor %} as fingerprint

    from checkpoints

)

select
    coalesce(long_form.recipe, wide_form.recipe) as recipe,
    coalesce(long_form.params, wide_form.params) as params,
    coalesce(long_form.seed, wide_form.seed) as seed,
    coalesce(long_form.step, wide_form.step) as step,
    coalesce(long_form.task, wide_form.task) as task,
    long_form.n_values as n_values_long,
    wide_form.n_values as n_values_wide

from long_form
full join wide_form
    on long_form.recipe = wide_form.recipe
    and long_form.params = wide_form.params
    and long_form.seed = wide_form.seed
    and long_form.step = wide_form.step
    and long_form.task is not distinct from wide_form.task
where
    coalesce(long_form.n_values, 0) != coalesce(wide_form.n_values, 0)
    or coalesce(long_form.fingerprint, 0) != coalesce(wide_form.fingerprint, 0)
