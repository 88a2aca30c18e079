{#- What is reported has to be recomputable; where nothing is reported there is no verdict. -#}
{% macro is_reconciled() -%}
    case when reported is not null then coalesce(abs_diff <= tolerance, false) end
{%- endmacro %}
