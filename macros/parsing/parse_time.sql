{#-
    The text of a time as TIMESTAMPTZ: ISO 8601, else a number since 1970 in seconds or smaller
    units; null for anything else.
-#}
{% macro parse_time(text) -%}
    coalesce(
        try_cast({{ text }} as timestamptz),
        case
            when regexp_full_match({{ text }}, '\s*[0-9]+(\.[0-9]+)?([eE][+]?[0-9]+)?\s*')
                then {{ to_moment(epoch_seconds('try_cast(' ~ text ~ ' as double)')) }}
        end
    )
{%- endmacro %}
