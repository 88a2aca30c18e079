{{ config(materialized = 'view') }}

with

named as (

    select * from {{ ref('int_posttrain_questions__named') }}

),

choices as (

    select
        named.predictions_id,
        named.predictions_sha256,
        named.model,
        named.revision,
        named.checkpoint_step,
        named.task,
        named.task_name,
        named.task_variant,
        named.doc_id,
        named.evaluation_id,
        named.is_newest,
        cast(named.correct_choice as integer) as correct_choice,
        named.has_bytes,
        unnest(range(len(named.choices))) as choice_index,
        unnest(named.choices) as choice

    from named

),

final as (

    select
        ----------  ids
        predictions_id,
        predictions_sha256,
        model,
        revision,
        checkpoint_step,
        task,
        task_name,
        task_variant,
        doc_id,
        evaluation_id,
        is_newest,
        {{ choice_columns() }}

    from choices

)

select * from final
