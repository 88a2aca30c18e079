{#- Texts as the list of an `in`, several lines where they are many. -#}
{% macro sql_list(texts) -%}
    (
        {%- for text in texts %}
        '{{ text }}'{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
