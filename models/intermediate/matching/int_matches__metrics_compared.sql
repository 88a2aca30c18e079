with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

checkpoint_metrics as (

    select * from {{ ref('int_matches__checkpoint_metrics') }}

),

evals as (

    select * from {{ ref('int_evals__parsed') }}
    where level = 'task'

),

registry as (

    select * from {{ ref('metric_registry') }}

),

sides as (

    select
        matches.run_path,
        'pt' as side,
        checkpoint_metrics.task,
        checkpoint_metrics.metric,
        checkpoint_metrics.value

    from matches
    inner join checkpoint_metrics
        on matches.ckpt_recipe = checkpoint_metrics.recipe
        and matches.ckpt_params = checkpoint_metrics.params
        and matches.ckpt_seed = checkpoint_metrics.seed
        and case
            when checkpoint_metrics.task = 'perplexity' then matches.ckpt_step_resolved
            else matches.ckpt_evals_step
        end = checkpoint_metrics.step
    where matches.pt_step is not null
    union all by name
    select
        matches.run_path,
        'comparison' as side,
        checkpoint_metrics.task,
        checkpoint_metrics.metric,
        checkpoint_metrics.value

    from matches
    inner join checkpoint_metrics
        on matches.comparison_recipe = checkpoint_metrics.recipe
        and matches.comparison_params = checkpoint_metrics.params
        and matches.comparison_seed = checkpoint_metrics.seed
        and case
            when checkpoint_metrics.task = 'perplexity' then matches.comparison_step
            else matches.comparison_evals_step
        end = checkpoint_metrics.step
    union all by name
    -- The fine-tuning evaluations have the same names but one; flagged values count as missing.
    select
        evals.run_path,
        'ft' as side,
        evals.task,
        replace(evals.metric, 'primary_score', 'primary_metric') as metric,
        case when not evals.is_suspect then evals.reported_value end as value

    from evals
    where
        replace(evals.metric, 'primary_score', 'primary_metric')
        in {{ sql_list(compared_metrics()) }}

),

compared as (

    select
        sides.run_path,
        sides.task,
        sides.metric,
        any_value(sides.value) filter (where sides.side = 'pt') as pt_value,
        any_value(sides.value) filter (where sides.side = 'ft') as ft_value,
        any_value(sides.value) filter (where sides.side = 'comparison') as comparison_value

    from sides
    group by all

),

with_deltas as (

    select
        compared.*,
        case
            when compared.metric in {{ sql_list(compared_metrics(deltas = true)) }}
                then compared.ft_value - compared.pt_value
        end as delta,
        case
            when compared.metric in {{ sql_list(compared_metrics(deltas = true)) }}
                then compared.ft_value - compared.comparison_value
        end as delta_vs_comparison,
        registry.direction

    from compared
    left join registry on compared.metric = registry.metric

)

select * from with_deltas
