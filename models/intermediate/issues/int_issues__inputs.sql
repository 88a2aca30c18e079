{{ config(materialized = 'view') }}

with

outcomes as (

    {%- for source in ['wandb', 'huggingface', 'instances', 'posttrain'] %}
    select
        '{{ source }}' as source,
        outcomes.batch_id,
        outcomes.item,
        outcomes.reason,
        outcomes.message

    from {{ ref('stg_' ~ source ~ '__outcomes') }} as outcomes
    where outcomes.status = 'refused'
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

issues as (

    select
        'refused_input' as kind,
        outcomes.item as subject,
        outcomes.source as field,
        outcomes.reason as value,
        outcomes.message as detail

    from outcomes

)

select * from issues
