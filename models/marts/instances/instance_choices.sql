{{ config(materialized = 'view') }}

with

named as (

    select * from {{ ref('int_instance_questions__named') }}

),

choices as (

    select
        named.recipe,
        named.params,
        named.seed,
        named.step,
        named.task,
        named.doc_id,
        cast(named.correct_choice as integer) as correct_choice,
        named.has_bytes,
        unnest(range(len(named.choices))) as choice_index,
        unnest(named.choices) as choice

    from named

),

final as (

    select
        ----------  ids
        recipe,
        params,
        seed,
        step,
        task,
        doc_id,
        {{ choice_columns() }}

    from choices

)

select * from final
