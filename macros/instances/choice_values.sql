{#-
    What is computed of each choice, as (name, expression over `choice` and its question). A natural
    log is turned to bits as OLMES rounds it. Bytes are not in the data: what the evaluator stored
    per byte is kept where it differs from the value per character, and where it stored nothing
    (has_bytes) there is nothing.
-#}
{% macro choice_values() -%}
    {%- set per_token = ' / ' ~ at_least_one('choice.num_tokens') -%}
    {%- set per_char = ' / ' ~ at_least_one('choice.num_chars') -%}
    {%- set bits_per_byte -%}
        coalesce(
            choice.logits_per_byte,
            if(has_bytes, -cast(1.44269504089 as double), null) * (choice.sum_logits{{ per_char }})
        )
    {%- endset -%}
    {{ return([
        ('logits', 'choice.sum_logits'),
        ('logits_per_token', 'choice.sum_logits' ~ per_token),
        ('logits_per_char', 'choice.sum_logits' ~ per_char),
        ('bits_per_byte', bits_per_byte),
        ('uncond_logits', 'choice.sum_logits_uncond'),
        ('uncond_logits_per_token', 'choice.sum_logits_uncond' ~ per_token),
        ('uncond_logits_per_char', 'choice.sum_logits_uncond' ~ per_char),
        ('logits_gain', 'choice.sum_logits - choice.sum_logits_uncond'),
    ]) }}
{%- endmacro %}
