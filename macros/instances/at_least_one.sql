{#- What a sum is divided by: OLMES takes 1 for less. greatest() would take it for a null, too. -#}
{% macro at_least_one(count) -%}
    case when {{ count }} < 1 then 1 else {{ count }} end
{%- endmacro %}
