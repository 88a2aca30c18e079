{#-
    The mean of a group's values, nulls left out, the same to the last bit whenever it is computed:
    avg() adds in the order in which threads come by, and the last digits of published means would
    change from build to build.
-#}
{% macro sorted_avg(expression) -%}
    list_avg(list_sort(list({{ expression }})))
{%- endmacro %}
