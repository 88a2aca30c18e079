{#- W&B's own name for a run, and the key of every run-level mart. -#}
{% macro run_path(relation) -%}
    {{ relation }}.entity || '/' || {{ relation }}.project || '/' || {{ relation }}.run_id
{%- endmacro %}
