-- What is found under a kind that the list of kinds lacks would drop out of data_issues by its join.
{%- set topics = [
    'run_names', 'run_configs', 'config_keys', 'histories', 'run_evals', 'pretraining_names',
    'pretraining', 'instances', 'posttrain', 'inputs',
] %}
with

issues as (

    {%- for topic in topics %}
    select issues.kind from {{ ref('int_issues__' ~ topic) }} as issues
    {{ 'union' if not loop.last }}
    {%- endfor %}

)

select issues.kind
from issues
anti join {{ ref('data_issue_kinds') }} as kinds on issues.kind = kinds.kind
