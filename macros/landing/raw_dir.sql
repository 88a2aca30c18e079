{#- The landing zone, as the extractors know it. Relative paths count from the project root. -#}
{% macro raw_dir() -%}
    {%- set path = (env_var('DATADECIDE_RAW_DIR', '') or 'data/raw').rstrip('/') -%}
    {%- for character in ["'", '[', '?', '\\'] if character in path -%}
        {{ exceptions.raise_compiler_error(
            'DATADECIDE_RAW_DIR is ' ~ path ~ ': DuckDB cannot read files below a folder with '
            ~ character ~ ' in its name; move the zone or link to it under another name.'
        ) }}
    {%- endfor -%}
    {{ path }}
{%- endmacro %}
