{#- ln(sum(exp(x))) of a list without underflow: exp(x) is 0 below -745. -#}
{% macro log_sum_exp(logits) -%}
    (
        list_max({{ logits }})
        + ln(list_sum(list_transform(
            {{ logits }}, lambda logit: exp(logit - list_max({{ logits }}))
        )))
    )
{%- endmacro %}
