{#-
    Returns the rows of one check that do not hold. A check without a verdict (null) has nothing to
    compare with, and passes.
-#}
{% test reconciles(model, check_name) %}

select *
from {{ model }}
where check_name = '{{ check_name }}' and not is_ok

{% endtest %}
