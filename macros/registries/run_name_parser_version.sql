{#- Changes whenever a pattern, a slot or a composite does: which registry read a name. -#}
{% macro run_name_parser_version() -%}
    {{ local_md5(
        run_name_patterns() | string ~ run_name_slots() | string ~ run_name_composites() | string
    )[:8] }}
{%- endmacro %}
