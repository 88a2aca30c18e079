{#- Returns each combination of values that occurs more than once; null counts as a value. -#}
{% test unique_combination_of_columns(model, combination_of_columns) %}

select
    {{ combination_of_columns | join(',\n    ') }},
    count(*) as n_rows

from {{ model }}
group by all
having count(*) > 1

{% endtest %}
