{#-
    One choice of a question, unnested as `choice` with its number and that of the right one: as it
    was evaluated, and what follows.
-#}
{% macro choice_columns() -%}
    {%- set values = dict(choice_values()) -%}
    cast(choice_index as integer) as choice_index,

        ----------  as evaluated
        choice.sum_logits,
        choice.sum_logits_uncond,
        choice.num_tokens,
        choice.num_tokens_all,
        choice.num_chars,
        choice.is_greedy,
        choice_index = correct_choice as is_correct,

        ----------  derived
        {%- for name in ['logits_per_token', 'logits_per_char', 'bits_per_byte', 'logits_gain'] %}
        {{ values[name] }} as {{ name }},
        {%- endfor %}
        exp(choice.sum_logits) as prob,
        exp({{ values['logits_per_token'] }}) as prob_per_token,
        exp({{ values['logits_per_char'] }}) as prob_per_char
{%- endmacro %}
