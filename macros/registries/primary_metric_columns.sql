{#-
    The primary metric of each task as a column, from rows of one task each: what the wide marts of
    matched runs show of it.
-#}
{% macro primary_metric_columns(rows, value) %}
    {%- for task in matched_columns(finetuned=false) | map('first') | unique %}
    any_value({{ rows }}.{{ value }}) filter (where {{ rows }}.task = '{{ task }}')
        as {{ task }}_primary_metric{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}
