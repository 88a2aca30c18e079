{#-
    ln(sum(exp(x))) of a list without underflow: exp(x) is 0 below -745. Null where a value is
    missing: the sum of the others would be too small. Of -Infinity alone it is that and not NaN.
-#}
{% macro log_sum_exp(logits) -%}
    case
        when isinf(list_max({{ logits }})) and list_count({{ logits }}) = len({{ logits }})
            then list_max({{ logits }})
        when list_count({{ logits }}) = len({{ logits }})
            then list_max({{ logits }}) + ln(list_sum(list_transform(
                {{ logits }}, lambda logit: exp(logit - list_max({{ logits }}))
            )))
    end
{%- endmacro %}
