{{ config(materialized = 'ephemeral') }}

with

landed as (

    select
        *,
        -- A task that generates texts has outputs in the place of choices, often one, and the
        -- evaluator chooses none of them.
        correct_choice is not null or predicted_index_raw is not null or acc_raw is not null
            as has_choices

    from {{ ref('base_posttrain__questions') }}

),

questions as (

    select
        ----------  ids
        landed.predictions_sha256,
        landed.task_hash,
        landed.model_hash,
        landed.doc_id,
        landed.native_id,
        landed.native_id_kind,

        ----------  answer
        landed.label,
        landed.label_text,
        case when landed.has_choices then landed.choices end as choices,
        case when not landed.has_choices then landed.choices end as outputs,
        landed.has_bytes,

        {{ stored_answers() }}

        ----------  provenance
        landed._source_file,
        landed._landed_at

    from landed

)

select * from questions
