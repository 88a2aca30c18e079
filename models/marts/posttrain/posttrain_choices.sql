{{ config(materialized = 'view') }}

with

named as (

    select * from {{ ref('int_posttrain_questions__named') }}

),

choices as (

    select
        named.predictions_sha256,
        named.model,
        named.revision,
        named.task,
        named.doc_id,
        cast(named.correct_choice as integer) as correct_choice,
        unnest(range(len(named.choices))) as choice_index,
        unnest(named.choices) as choice

    from named

),

final as (

    select
        ----------  ids
        predictions_sha256,
        model,
        revision,
        task,
        doc_id,
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
        choice.sum_logits / greatest(choice.num_tokens, 1) as logits_per_token,
        choice.sum_logits / greatest(choice.num_chars, 1) as logits_per_char,
        coalesce(
            choice.logits_per_byte,
            -cast(1.44269504089 as double) * choice.sum_logits / greatest(choice.num_chars, 1)
        ) as bits_per_byte,
        choice.sum_logits - choice.sum_logits_uncond as logits_gain,
        exp(choice.sum_logits) as prob,
        exp(choice.sum_logits / greatest(choice.num_tokens, 1)) as prob_per_token,
        exp(choice.sum_logits / greatest(choice.num_chars, 1)) as prob_per_char

    from choices

)

select * from final
