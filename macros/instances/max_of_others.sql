{#- The highest value of a list but for the one at a place, counted from 1. -#}
{% macro max_of_others(scores, place) -%}
    list_max(
        list_slice({{ scores }}, 1, ({{ place }}) - 1)
        || list_slice({{ scores }}, ({{ place }}) + 1, len({{ scores }}))
    )
{%- endmacro %}
