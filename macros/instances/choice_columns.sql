{#-
    One choice of a question, unnested as `choice` with its number and that of the right one: as it
    was evaluated, and what follows.
-#}
{% macro choice_columns() -%}
    {%- set tokens, chars = at_least_one('choice.num_tokens'), at_least_one('choice.num_chars') -%}
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
        choice.sum_logits / {{ tokens }} as logits_per_token,
        choice.sum_logits / {{ chars }} as logits_per_char,
        coalesce(
            choice.logits_per_byte,
            if(has_bytes, -cast(1.44269504089 as double), null) * (choice.sum_logits / {{ chars }})
        ) as bits_per_byte,
        choice.sum_logits - choice.sum_logits_uncond as logits_gain,
        exp(choice.sum_logits) as prob,
        exp(choice.sum_logits / {{ tokens }}) as prob_per_token,
        exp(choice.sum_logits / {{ chars }}) as prob_per_char
{%- endmacro %}
