{#-
    One struct for each reconciliation check, as columns of a row of its own: (name, reported,
    recomputed, how far apart the two may be).
-#}
{% macro verdicts(checks) -%}
    unnest([
        {%- for name, reported, recomputed, tolerance in checks %}
        struct_pack(
            check_name := '{{ name }}',
            reported := cast({{ reported }} as double),
            recomputed := cast({{ recomputed }} as double),
            tolerance := cast({{ tolerance }} as double)
        ){{ ',' if not loop.last }}
        {%- endfor %}
    ], recursive := true)
{%- endmacro %}
