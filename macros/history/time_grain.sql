{#-
    How exactly a time is known, in seconds: exporters write the time of a row to the second, to the
    millisecond or to the microsecond, and W&B itself keeps all digits of a double. Two such times are of one
    moment where they differ by less than the coarser one's grain.
-#}
{% macro time_grain(epoch_s) -%}
    case
        when {{ epoch_s }} = floor({{ epoch_s }}) then 1
        when abs({{ epoch_s }} * 1000 - round({{ epoch_s }} * 1000)) < 1e-3 then 1e-3
        else 2e-6
    end
{%- endmacro %}
