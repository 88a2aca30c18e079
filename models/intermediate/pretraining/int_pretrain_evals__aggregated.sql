{#- Wide, and taken apart by whoever asks: in long form the groups would be two million. -#}
with

olmes as (

    select * from {{ ref('int_pretrain_evals__olmes') }}

),

aggregated as (

    select
        olmes.recipe,
        olmes.params,
        olmes.step,
        olmes.task,
        {%- for metric in eval_metrics() %}
        count(olmes.{{ metric }}) as {{ metric }}__n_seeds,
        {{ sorted_avg('olmes.' ~ metric) }} as {{ metric }}__mean,
        {{ sorted_stddev('olmes.' ~ metric) }} as {{ metric }}__std{{ ',' if not loop.last }}
        {%- endfor %}

    from olmes
    group by all

)

select * from aggregated
