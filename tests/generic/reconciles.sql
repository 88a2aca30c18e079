{#-
    Returns the rows of one check that do not hold. A check without a verdict (null) has nothing to
    compare with, and passes. What is published may be wrong, so it is a warning (and a row of
    data_issues); a strict build, as CI's of the demo, fails.
-#}
{% test reconciles(model, check_name) %}

{{ config(severity = 'error' if var('strict') else 'warn') }}

select *
from {{ model }}
where check_name = '{{ check_name }}' and not is_ok

{% endtest %}
