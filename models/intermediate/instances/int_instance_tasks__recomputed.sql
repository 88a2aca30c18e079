{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ delete_rows_of_gone_files() }}"
) }}
{%- set forms = ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] %}

with

questions as (

    select * from {{ ref('int_instance_questions__scored') }}
    where predictions_sha256 is null
    {% if is_incremental() %}
    and _source_file not in (select distinct seen._source_file from {{ this }} as seen)
    {% endif %}

),

recomputed as (

    select
        questions.tar_name,
        questions.params,
        questions.seed_number,
        questions.step,
        questions.task,
        questions._source_file,
        count(*) as n_questions,
        count(*) - count(distinct questions.doc_id) as n_repeated_questions,
        count(*) filter (where not questions.is_label_in_range) as n_labels_out_of_range,
        min(coalesce(questions.n_choices, 0)) as min_choices,
        count(*) filter (where questions.is_tie) as n_ties,
        count(questions.logits_per_token_corr) as n_per_token_questions,
        count(questions.logits_per_char_corr) as n_per_char_questions,
        count(questions.bits_per_byte_corr) as n_per_byte_questions,
        count(questions.margin) as n_margin_questions,
        count(questions.predicted_index_uncond) as n_uncond_questions,
        count(questions.stored_correct_choice) as n_stored_correct_choice,
        count(*) filter (
            where questions.stored_correct_choice <> questions.correct_choice
        ) as n_other_correct_choice,
        max(questions.identity_error) as max_identity_error,
        max(questions.corr_error) as max_corr_error,
        {%- for form in forms %}
        count(questions.stored_predicted_index_{{ form }}) as n_stored_index_{{ form }},
        count(*) filter (
            where questions.is_other_index_{{ form }}
            or questions.stored_acc_{{ form }} <> cast(
                questions.stored_predicted_index_{{ form }} = questions.correct_choice as integer
            )
        ) as n_other_index_{{ form }},
        {%- endfor %}
        {%- for metric in instance_metrics() %}
        avg(questions.{{ metric }}) as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}

    from questions
    group by all

)

select * from recomputed
