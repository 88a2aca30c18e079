{#- The topics of odd data: each has a model int_issues__<topic>, and all are united in one list. -#}
{% macro issue_topics() %}
    {{ return([
        'run_names', 'run_configs', 'config_keys', 'histories', 'run_evals', 'pretraining_names',
        'pretraining', 'instances', 'posttrain', 'inputs',
    ]) }}
{% endmacro %}
