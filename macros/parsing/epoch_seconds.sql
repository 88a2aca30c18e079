{#-
    Seconds since 1970 of a number that may count milli-, micro- or nanoseconds, told by its
    magnitude: pandas writes milliseconds, other clients nanoseconds, W&B seconds. Seconds of this
    magnitude would be beyond the year 5138.
-#}
{% macro epoch_seconds(number) -%}
    case
        when abs({{ number }}) >= 1e17 then {{ number }} / 1e9
        when abs({{ number }}) >= 1e14 then {{ number }} / 1e6
        when abs({{ number }}) >= 1e11 then {{ number }} / 1e3
        else {{ number }}
    end
{%- endmacro %}
