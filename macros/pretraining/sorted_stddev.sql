{#-
    The sample standard deviation of a group's values, nulls left out, null for fewer than two; the
    same to the last bit whenever it is computed, like sorted_avg.
-#}
{% macro sorted_stddev(expression) -%}
    list_stddev_samp(list_sort(list({{ expression }})))
{%- endmacro %}
