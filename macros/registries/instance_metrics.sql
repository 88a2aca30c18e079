{#-
    The metrics of one question that are recomputed from its choices (spec instances, section 4),
    and averaged over the questions of a task.
-#}
{% macro instance_metrics() %}
    {{ return(instance_accuracies() + [
        'no_answer',
        'sum_logits_corr', 'logits_per_token_corr', 'logits_per_char_corr', 'bits_per_byte_corr',
        'correct_prob', 'correct_prob_per_token', 'correct_prob_per_char',
        'correct_prob_per_byte_corrected',
        'total_prob', 'total_prob_per_token', 'total_prob_per_char',
        'norm_correct_prob', 'norm_correct_prob_per_token', 'norm_correct_prob_per_char',
        'margin', 'margin_per_token', 'margin_per_char',
        'uncond_correct_prob', 'uncond_correct_prob_per_token', 'uncond_correct_prob_per_char',
        'uncond_total_prob',
    ]) }}
{% endmacro %}
