{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = [
        "{{ set_landed_files(
            'instances', 'questions', 'models/base/instances/empty/questions.parquet'
        ) }}",
        "{{ set_landed_files(
            'posttrain', 'questions', 'models/base/posttrain/empty/questions.parquet'
        ) }}",
    ]
) }}
{#- Natural logs to bits, as OLMES rounds it. -#}
{%- set nats_to_bits = 'cast(1.44269504089 as double)' %}

with

questions as (

    select * from {{ ref('stg_instances__questions') }}
    union all by name
    select * from {{ ref('stg_posttrain__questions') }}

),

-- The lists that everything is computed from, in the order of the choices. Bytes are not in the
-- data: what the evaluator stored per byte is kept where it differs from the value per character.
lists as (

    select
        questions.*,
        list_transform(questions.choices, lambda choice: choice.sum_logits) as logits,
        list_transform(
            questions.choices, lambda choice: choice.sum_logits / greatest(choice.num_tokens, 1)
        ) as logits_per_token,
        list_transform(
            questions.choices, lambda choice: choice.sum_logits / greatest(choice.num_chars, 1)
        ) as logits_per_char,
        list_transform(
            questions.choices,
            lambda choice: coalesce(
                choice.logits_per_byte,
                -{{ nats_to_bits }} * choice.sum_logits / greatest(choice.num_chars, 1)
            )
        ) as bits_per_byte,
        list_transform(questions.choices, lambda choice: choice.sum_logits_uncond)
            as uncond_logits,
        list_transform(
            questions.choices,
            lambda choice: choice.sum_logits_uncond / greatest(choice.num_tokens, 1)
        ) as uncond_logits_per_token,
        list_transform(
            questions.choices,
            lambda choice: choice.sum_logits_uncond / greatest(choice.num_chars, 1)
        ) as uncond_logits_per_char,
        list_transform(
            questions.choices, lambda choice: choice.sum_logits - choice.sum_logits_uncond
        ) as gains,
        len(questions.choices) as n_choices,
        -- A label that is no integer counts as 0 for the evaluator.
        coalesce(questions.label, 0) as correct_choice,
        coalesce(questions.label between 0 and len(questions.choices) - 1, false)
            as is_label_in_range

    from questions

),

-- Of choices that are level the first one counts, as with numpy's argmax.
predicted as (

    select
        *,
        list_position(logits, list_max(logits)) - 1 as predicted_index_raw,
        list_position(logits_per_token, list_max(logits_per_token)) - 1
            as predicted_index_per_token,
        list_position(logits_per_char, list_max(logits_per_char)) - 1 as predicted_index_per_char,
        list_position(bits_per_byte, list_min(bits_per_byte)) - 1 as predicted_index_per_byte,
        case
            when not list_contains(list_transform(gains, lambda gain: gain is null), true)
                then list_position(gains, list_max(gains)) - 1
        end as predicted_index_uncond

    from lists

),

scored as (

    select
        predicted.* exclude (
            logits, logits_per_token, logits_per_char, bits_per_byte, uncond_logits,
            uncond_logits_per_token, uncond_logits_per_char, gains
        ),
        {%- for form in ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] %}
        cast(predicted_index_{{ form }} = correct_choice as tinyint) as acc_{{ form }},
        {%- endfor %}
        cast(list_max(logits) = -999 as tinyint) as no_answer,
        logits[correct_choice + 1] as sum_logits_corr,
        logits_per_token[correct_choice + 1] as logits_per_token_corr,
        logits_per_char[correct_choice + 1] as logits_per_char_corr,
        bits_per_byte[correct_choice + 1] as bits_per_byte_corr,
        exp(-bits_per_byte[correct_choice + 1] * ln(2)) as correct_prob_per_byte_corrected,
        {%- for suffix in ['', '_per_token', '_per_char'] %}
        exp(logits{{ suffix }}[correct_choice + 1]) as correct_prob{{ suffix }},
        {{ total_probability('logits' ~ suffix) }} as total_prob{{ suffix }},
        exp(
            logits{{ suffix }}[correct_choice + 1] - {{ log_sum_exp('logits' ~ suffix) }}
        ) as norm_correct_prob{{ suffix }},
        case
            when n_choices > 1 then exp(logits{{ suffix }}[correct_choice + 1]) - exp(list_max(
                list_slice(logits{{ suffix }}, 1, correct_choice)
                || list_slice(logits{{ suffix }}, correct_choice + 2, n_choices)
            ))
        end as margin{{ suffix }},
        case
            when predicted_index_uncond is not null
                then exp(uncond_logits{{ suffix }}[correct_choice + 1])
        end as uncond_correct_prob{{ suffix }},
        {%- endfor %}
        case
            when predicted_index_uncond is not null
                then {{ total_probability('uncond_logits') }}
        end as uncond_total_prob,
        -- Where two choices are level to the last digits, another order of adding decides.
        list_max(logits) - list_max(
            list_slice(logits, 1, predicted_index_raw)
            || list_slice(logits, predicted_index_raw + 2, n_choices)
        ) < 1e-9 as is_tie

    from predicted

)

select * from scored
