{{ config(materialized = 'view') }}

with

identified as (

    select * from {{ ref('int_pretrain_evals__identified') }}

),

mmlu as (

    select * exclude (n_subjects) from {{ ref('int_pretrain_evals__mmlu_averaged') }}

),

united as (

    select * from identified
    union all by name
    select * from mmlu

),

final as (

    select
        recipe,
        params,
        seed,
        step,
        task,
        {%- for metric in eval_metrics() %}
        {{ metric }},
        {%- endfor %}
        tokens_reported,
        compute_reported

    from united

)

select * from final
