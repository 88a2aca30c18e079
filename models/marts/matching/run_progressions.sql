{{ config(materialized = 'view') }}
{%- set tasks = matched_columns(finetuned = false) | map('first') | unique | list %}

with

progressed as (

    select * from {{ ref('int_matches__progressed') }}

),

final as (

    select
        run_path,
        phase,
        step,
        row_ordinal,
        is_last_of_phase,
        learning_rate,
        train_loss,
        ft_tokens,
        cumulative_tokens,
        cumulative_compute,
        {%- for column in perplexity_columns() %}
        "{{ column }}",
        "{{ column }}" as {{ unquoted(column) }},
        {%- endfor %}
        {%- for task in tasks %}
        {{ task }}_primary_metric{{ ',' if not loop.last }}
        {%- endfor %}

    from progressed

)

select * from final
