with

compared as (

    select * from {{ ref('int_matches__metrics_compared') }}

),

pivoted as (

    select
        compared.run_path,
        {%- for side in ['pt', 'comparison'] %}
        {%- for name in perplexity_sets() %}
        any_value(compared.{{ side }}_value) filter (
            where compared.metric = '{{ name }}-valppl'
        ) as "{{ side }}_{{ name }}-valppl",
        {%- endfor %}
        {%- for task, metric in matched_columns(finetuned = false) %}
        any_value(compared.{{ side }}_value) filter (
            where compared.task = '{{ task }}' and compared.metric = '{{ metric }}'
        ) as {{ side }}_{{ task }}_{{ metric }},
        {%- endfor %}
        {%- endfor %}
        {%- for task, metric in matched_columns() %}
        any_value(compared.ft_value) filter (
            where compared.task = '{{ task }}' and compared.metric = '{{ metric }}'
        ) as ft_{{ task }}_{{ metric }},
        any_value(compared.delta) filter (
            where compared.task = '{{ task }}' and compared.metric = '{{ metric }}'
        ) as delta_{{ task }}_{{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}

    from compared
    group by all

)

select * from pivoted
