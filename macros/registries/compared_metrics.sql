{#-
    The metrics that a fine-tuned model is compared in with the checkpoint it started from and the
    model it is matched to (spec matching, section 4). `deltas`: only those whose difference means
    something.
-#}
{% macro compared_metrics(deltas=false) %}
    {%- set metrics = [
        'acc_raw', 'acc_per_token', 'acc_per_char', 'acc_uncond',
        'correct_prob', 'correct_prob_per_token', 'correct_prob_per_char',
        'margin', 'margin_per_token', 'margin_per_char',
        'total_prob', 'total_prob_per_token', 'total_prob_per_char',
        'uncond_correct_prob', 'uncond_correct_prob_per_token', 'uncond_correct_prob_per_char',
        'uncond_total_prob',
        'norm_correct_prob', 'norm_correct_prob_per_token', 'norm_correct_prob_per_char',
        'primary_metric',
    ] -%}
    {{ return(metrics if deltas else metrics + ['correct_choice', 'no_answer']) }}
{% endmacro %}
