{#- The metric that a per-token metric is the normalised form of, in the naming of OLMES. -#}
{% macro raw_counterpart(metric) -%}
    case
        when starts_with({{ metric }}, 'logits_per_token_corr')
            then replace({{ metric }}, 'logits_per_token_corr', 'sum_logits_corr')
        when starts_with({{ metric }}, 'acc_') or starts_with({{ metric }}, 'predicted_index_')
            then replace({{ metric }}, '_per_token', '_raw')
        else replace({{ metric }}, '_per_token', '')
    end
{%- endmacro %}
