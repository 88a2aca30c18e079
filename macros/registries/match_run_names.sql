{#-
    Classification of run names: a query with one row per key and matching pattern.

    relation  a relation with the columns `key` and `name`
    Returns   key, name, pattern_name, run_type, priority (1 first) and a `<field>_text` column for
              every captured field, null where the pattern has no such slot
-#}
{% macro match_run_names(relation, key, name) %}
    {%- for pattern_name, run_type, template in run_name_patterns() %}
    {%- set pattern = expand_run_name_pattern(template) %}
    select
        {{ key }},
        {{ name }},
        '{{ pattern_name }}' as pattern_name,
        '{{ run_type }}' as run_type,
        {{ loop.index }} as priority,
        unnest(regexp_extract({{ name }}, '{{ pattern.regex }}', [
            {%- for field in pattern.fields %}'{{ field }}_text'{{ ', ' if not loop.last }}{% endfor -%}
        ]))
    from {{ relation }}
    where regexp_full_match({{ name }}, '{{ pattern.regex }}')
    {{- '\n    union all by name' if not loop.last }}
    {%- endfor %}
{% endmacro %}
