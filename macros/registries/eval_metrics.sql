{#-
    The metrics of the pretraining evaluations that the marts publish: raw names, in the order of
    the release. To add one: a line here and what else CONTRIBUTING names.
-#}
{% macro eval_metrics() %}
    {{ return([
        'correct_choice',
        'acc_raw', 'acc_per_token', 'acc_per_char', 'acc_per_byte', 'acc_uncond',
        'no_answer',
        'sum_logits_corr', 'logits_per_token_corr', 'logits_per_char_corr',
        'bits_per_byte_corr',
        'correct_prob', 'correct_prob_per_token', 'correct_prob_per_char',
        'margin', 'margin_per_token', 'margin_per_char',
        'total_prob', 'total_prob_per_token', 'total_prob_per_char',
        'uncond_correct_prob', 'uncond_correct_prob_per_token', 'uncond_correct_prob_per_char',
        'uncond_total_prob',
        'norm_correct_prob', 'norm_correct_prob_per_token', 'norm_correct_prob_per_char',
        'primary_metric',
    ]) }}
{% endmacro %}
