-- What is found under a kind that the list of kinds lacks would drop out of data_issues, by its
-- join.
with

issues as (

    {%- for topic in issue_topics() %}
    select issues.kind from {{ ref('int_issues__' ~ topic) }} as issues
    {{ 'union' if not loop.last }}
    {%- endfor %}

)

select issues.kind
from issues
anti join {{ ref('data_issue_kinds') }} as kinds on issues.kind = kinds.kind
