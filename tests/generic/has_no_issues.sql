{#-
    Warns once for a kind of issue that the landed data has. Odd data are rows, not a failed build;
    a strict build holds all kinds against seeds/reviewed_data_issues.csv instead.
-#}
{% test has_no_issues(model, kind) %}

{{ config(severity = 'warn', enabled = not var('strict')) }}

select
    subject,
    field,
    value,
    message,
    mend_in

from {{ model }}
where kind = '{{ kind }}'

{% endtest %}
