{#-
    The metrics of a row of history as a list of entries (key, value). One that stands in a column
    of its own counts as a key without text: it takes the place of the text that another export has
    of it, such as "NaN". A null is no value, and takes no place.
-#}
{% macro metric_entries(rows) -%}
    list_concat(
        [
            entry
            for entry in coalesce(map_entries(cast({{ rows }}.metrics as map(varchar, json))), [])
            if entry.value is not null
        ],
        [
            {'key': name, 'value': cast(null as json)}
            for name in [
                {%- for name in ['train_loss', 'learning_rate', 'total_tokens'] %}
                case when {{ rows }}.{{ name }} is not null then '{{ name }}' end
                {{- ',' if not loop.last }}
                {%- endfor %}
            ]
            if name is not null
        ]
    )
{%- endmacro %}
