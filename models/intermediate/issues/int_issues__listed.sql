{#- One list of what is odd in the landed data: each topic's issues, with what their kind says. -#}
{%- set topics = [
    'run_names', 'run_references', 'run_configs', 'config_keys', 'histories', 'run_evals',
    'pretraining_names', 'pretraining_evals', 'pretraining_figures', 'instances', 'posttrain',
    'inputs',
] %}

with

issues as (

    {%- for topic in topics %}
    select * from {{ ref('int_issues__' ~ topic) }}
    {{ 'union all by name' if not loop.last }}
    {%- endfor %}

),

kinds as (

    select * from {{ ref('data_issue_kinds') }}

),

-- The same thing may be found several times: a file that was refused twice, an odd key of a run in
-- two snapshots.
counted as (

    select
        issues.kind,
        coalesce(issues.subject, '') as subject,
        coalesce(issues.field, '') as field,
        count(*) as n_occurrences,
        min(issues.value) as value,
        min(issues.detail) as detail

    from issues
    group by all

),

listed as (

    select
        counted.kind,
        kinds.severity,
        if(kinds.source = 'all', counted.field, kinds.source) as source,
        counted.subject,
        counted.field,
        counted.value,
        concat_ws(': ', kinds.meaning, counted.detail) as message,
        kinds.mend_in,
        counted.n_occurrences

    -- An issue of a kind that the list lacks stays, and fails the test of data_issues.kind.
    from counted
    left join kinds on counted.kind = kinds.kind

)

select * from listed
