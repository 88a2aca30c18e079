{#- Whether two values are one but for rounding; of two equal infinities there is no difference. -#}
{% macro are_level(value, other) -%}
    {{ value }} = {{ other }} or abs({{ value }} - {{ other }}) <= 1e-9
{%- endmacro %}
