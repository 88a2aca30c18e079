{#-
    The metrics that are read, so that none is unknown, and stay in staging: indices say nothing
    about a model, the probabilities per byte of the release are none (spec instances, section
    4.3), and two are other names of bits_per_byte_corr.
-#}
{% macro unpublished_eval_metrics() %}
    {{ return([
        'predicted_index_raw', 'predicted_index_per_token', 'predicted_index_per_char',
        'predicted_index_per_byte', 'predicted_index_uncond',
        'logits_per_byte_corr', 'correct_logit_per_byte',
        'correct_prob_per_byte', 'margin_per_byte', 'total_prob_per_byte',
        'norm_correct_prob_per_byte', 'uncond_correct_prob_per_byte',
    ]) }}
{% endmacro %}
