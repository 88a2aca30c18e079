{#- Query with one row per key and column that has a value, as metric and value. -#}
{% macro unpivoted(rows, keys, columns) -%}
    unpivot (
        select
            {%- for name in keys + columns %}
            {{ rows }}."{{ name }}"{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ rows }}
    )
    on columns(* exclude ({{ keys | join(', ') }}))
    into name metric value value
{%- endmacro %}
