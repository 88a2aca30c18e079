{#-
    A logged metric's text as DOUBLE: number text, or one of the spellings of NaN and infinity that
    W&B and its clients write (spec wandb_source, section 7).
-#}
{% macro parse_metric(text) -%}
    case
        when lower({{ text }}) in ('nan', '+nan', '-nan') then 'nan'::double
        when lower({{ text }}) in ('infinity', 'inf', '+infinity', '+inf') then 'inf'::double
        when lower({{ text }}) in ('-infinity', '-inf') then '-inf'::double
        else {{ parse_number(text) }}
    end
{%- endmacro %}
