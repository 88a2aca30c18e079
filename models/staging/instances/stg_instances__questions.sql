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

        {{ stored_answers() }}

        ----------  provenance
        landed._source_file,
        landed._landed_at

    from landed

)

select * from questions
