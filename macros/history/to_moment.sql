{#- Seconds since 1970 as a time; null outside of years 0 to 9999, where they are none: left alone
    they would fail every query. -#}
{% macro to_moment(epoch_s) -%}
    case
        when {{ epoch_s }} between -62167219200 and 253402300799 then to_timestamp({{ epoch_s }})
    end
{%- endmacro %}
