{#- sum(exp(x)) of a list of log-probabilities, by log-sum-exp. -#}
{% macro total_probability(logits) -%}
    exp({{ log_sum_exp(logits) }})
{%- endmacro %}
