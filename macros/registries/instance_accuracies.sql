{#- The accuracies of an evaluation, one for each way of choosing an answer. -#}
{% macro instance_accuracies() %}
    {{ return(['acc_raw', 'acc_per_token', 'acc_per_char', 'acc_per_byte', 'acc_uncond']) }}
{% endmacro %}
