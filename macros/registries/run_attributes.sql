{#-
    The attributes of a run, and where a landed snapshot has each of them, the first one first: in
    the record itself, or in its SDK attributes, which older exports hold beside it.
-#}
{% macro run_attributes() %}
    {{ return({
        'run_name':    ['run_name', 'display_name', 'system_attrs.displayname'],
        'state':       ['state', 'system_attrs.state'],
        'run_group':   ['"group"', 'system_attrs."group"'],
        'job_type':    ['job_type', 'system_attrs.jobtype'],
        'sweep_name':  ['sweep_name', 'system_attrs.sweepname'],
        'notes':       ['notes', 'system_attrs.notes'],
        'description': ['description', 'system_attrs.description'],
        'url':         ['extra ->> \'$.url\''],
        'git_commit':  ['"commit"', 'system_attrs."commit"'],
        'created_at':  ['created_at', 'system_attrs.createdat'],
        'updated_at':  ['updated_at', 'heartbeat_at', 'system_attrs.heartbeatat'],
    }) }}
{% endmacro %}

{#- The first of several columns that says something: a blank text says nothing. -#}
{% macro first_said(relation, columns) -%}
    coalesce(
        {%- for column in columns %}
        nullif({{ relation }}.{{ column }}, ''){{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
