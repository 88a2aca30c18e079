{{ config(materialized = 'ephemeral') }}

with

landed as (

    select * from {{ ref('base_instances__questions') }}

),

questions as (

    select
        ----------  ids
        landed.tar_name,
        landed.params,
        landed.seed_number,
        landed.step,
        landed.task,
        landed.doc_id,
        landed.native_id,
        landed.native_id_kind,

        ----------  answer
        landed.label,
        landed.label_text,
        landed.choices,
        landed.has_bytes,

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

        ----------  provenance
        landed._source_file,
        landed._landed_at

    from landed

)

select * from questions
