{#-
    Returns the rows for which the expression is false or null. On a column the expression is the
    rest of a comparison, such as `>= 0`.
-#}
{% test expression_is_true(model, expression, column_name=none) %}

select *
from {{ model }}
where ({{ column_name ~ ' ' if column_name else '' }}{{ expression }}) is not true

{% endtest %}
