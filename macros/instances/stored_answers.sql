{#- The answers of a landed question as the evaluator had them, and how far they are from what
    follows from its choices. -#}
{% macro stored_answers() -%}
    ----------  as the evaluator had it
        {%- for form in ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] %}
        landed.predicted_index_{{ form }} as stored_predicted_index_{{ form }},
        landed.acc_{{ form }} as stored_acc_{{ form }},
        {%- endfor %}
        landed.correct_choice as stored_correct_choice,
        landed.no_answer as stored_no_answer,
        landed.corr_error,
        landed.identity_error,
        landed.extra,
{%- endmacro %}
