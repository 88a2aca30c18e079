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
{#- What an answer is chosen by, and which of its values is best. -#}
{%- set forms = [
    ('raw', 'logits', 'list_max'),
    ('per_token', 'logits_per_token', 'list_max'),
    ('per_char', 'logits_per_char', 'list_max'),
    ('per_byte', 'bits_per_byte', 'list_min'),
    ('uncond', 'logits_gain', 'list_max'),
] %}
{%- set lists = choice_values() | map('first') | list %}

with

questions as (

    select * from {{ ref('stg_instances__questions') }}
    union all by name
    select * from {{ ref('stg_posttrain__questions') }}

),

-- The lists that everything is computed from, in the order of the choices.
listed as (

    select
        questions.*,
        {%- for name, value in choice_values() %}
        list_transform(questions.choices, lambda choice: {{ value }}) as {{ name }},
        {%- endfor %}
        len(questions.choices) as n_choices,
        -- A label that is no integer counts as 0 for the evaluator.
        coalesce(questions.label, 0) as correct_choice,
        -- Its place in the lists, which count from 1, and below 0 from their end.
        nullif(greatest(coalesce(questions.label, 0), -1) + 1, 0) as correct_at,
        coalesce(questions.label between 0 and len(questions.choices) - 1, false)
            as is_label_in_range

    from questions

),

-- Of choices that are level the first one counts, as with numpy's argmax.
predicted as (

    select
        *
        {%- for form, values, best in forms %},
        {{ index_of_best(values, best) }} as predicted_index_{{ form }}
        {%- endfor %}

    from listed

),

scored as (

    select
        predicted.* exclude (correct_at, {{ lists | join(', ') }}),
        {%- for form, values, _ in forms %}
        cast(predicted_index_{{ form }} = correct_choice as tinyint) as acc_{{ form }},
        -- Level choices may be ranked either way; all others may not.
        coalesce(
            stored_predicted_index_{{ form }} <> predicted_index_{{ form }},
            stored_predicted_index_{{ form }} is not null
        ) and not coalesce(
            {{ are_level(
                values ~ '[greatest(stored_predicted_index_' ~ form ~ ', -1) + 1]',
                values ~ '[predicted_index_' ~ form ~ ' + 1]'
            ) }},
            false
        ) as is_other_index_{{ form }},
        {%- endfor %}
        cast(list_max(logits) = -999 as tinyint) as no_answer,
        logits[correct_at] as sum_logits_corr,
        logits_per_token[correct_at] as logits_per_token_corr,
        logits_per_char[correct_at] as logits_per_char_corr,
        bits_per_byte[correct_at] as bits_per_byte_corr,
        exp(-bits_per_byte[correct_at] * ln(2)) as correct_prob_per_byte_corrected,
        {%- for suffix in ['', '_per_token', '_per_char'] %}
        exp(logits{{ suffix }}[correct_at]) as correct_prob{{ suffix }},
        {{ total_probability('logits' ~ suffix) }} as total_prob{{ suffix }},
        exp(logits{{ suffix }}[correct_at] - {{ log_sum_exp('logits' ~ suffix) }})
            as norm_correct_prob{{ suffix }},
        case
            when predicted_index{{ suffix or '_raw' }} is not null
                then nullif(
                    exp(logits{{ suffix }}[correct_at])
                    - exp({{ max_of_others('logits' ~ suffix, 'correct_at') }}),
                    cast('NaN' as double)
                )
        end as margin{{ suffix }},
        case
            when predicted_index_uncond is not null
                then exp(uncond_logits{{ suffix }}[correct_at])
        end as uncond_correct_prob{{ suffix }},
        {%- endfor %}
        case
            when predicted_index_uncond is not null
                then {{ total_probability('uncond_logits') }}
        end as uncond_total_prob,
        -- Where two choices are level to the last digits, another order of adding decides.
        list_max(logits) - {{ max_of_others('logits', 'predicted_index_raw + 1') }} < 1e-9
            as is_tie

    from predicted

)

select * from scored
