{#- A list without what it holds for the second time, in its order. -#}
{% macro once_each(items) -%}
    [item for item, place in {{ items }} if list_position({{ items }}, item) = place]
{%- endmacro %}
