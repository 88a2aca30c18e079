{#- Text, or null where it says that there is no value: blank, N/A, or NaN, which W&B reads as null
    in a config. -#}
{% macro present(text) -%}
    case when trim({{ text }}, e' \t\r\n') not in ('', 'N/A', 'null', 'None', 'NaN', 'nan') then {{ text }} end
{%- endmacro %}
