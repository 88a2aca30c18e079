{#- A pretraining checkpoint as one text: recipe/size/seed/step. -#}
{% macro checkpoint_label(relation) -%}
    concat_ws(
        '/', {{ relation }}.recipe, {{ relation }}.params, {{ relation }}.seed, {{ relation }}.step
    )
{%- endmacro %}
