{#- The landing zone, as the extractors know it. Relative paths count from the project root. -#}
{% macro raw_dir() -%}
    {{ env_var('DATADECIDE_RAW_DIR', 'data/raw').rstrip('/') }}
{%- endmacro %}
