{#- What a row of history has logged: the keys of its metrics, without W&B's own. -#}
{% macro logged_keys(rows) -%}
    list_filter(
        list_concat(
            json_keys({{ rows }}.metrics),
            [
                {%- for name in ['train_loss', 'learning_rate', 'total_tokens'] %}
                case when {{ rows }}.{{ name }} is not null then '{{ name }}' end{{ ',' if not loop.last }}
                {%- endfor %}
            ]
        ),
        lambda key: not starts_with(key, '_')
    )
{%- endmacro %}
