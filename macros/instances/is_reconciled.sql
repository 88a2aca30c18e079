{#-
    What is reported has to be recomputable; where nothing is reported there is no verdict. NaN
    agrees with NaN and an infinity with itself, though they have no difference.
-#}
{% macro is_reconciled() -%}
    case
        when reported is not null
            then coalesce(reported = recomputed or abs_diff <= tolerance, false)
    end
{%- endmacro %}
