{#- Means over the ten OLMES tasks, as the release has them: of all ten or of none. -#}
with

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

scored as (

    select
        olmes.recipe,
        olmes.params,
        olmes.seed,
        olmes.step,
        count(*) as n_olmes_tasks,
        case when count(olmes.primary_metric) = 10
            then {{ sorted_avg('olmes.primary_metric') }} end as olmes_10_macro_avg,
        max(olmes.primary_metric) filter (where olmes.task = 'mmlu_average')
            as mmlu_average,
        max(olmes.tokens_reported) as tokens_reported,
        max(olmes.compute_reported) as compute_reported

    from olmes
    group by all

)

select * from scored
