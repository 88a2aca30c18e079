{#- Text, or null where it says that there is no value: blank, N/A. -#}
{% macro present(text) -%}
    case when trim({{ text }}, e' \t\r\n') not in ('', 'N/A', 'null', 'None') then {{ text }} end
{%- endmacro %}
