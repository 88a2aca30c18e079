{{ config(materialized = 'view') }}

with

staged as not materialized (

    select * from {{ ref('stg_huggingface__evals') }}

),

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

repeated as (

    select * from {{ ref('int_pretrain_evals__repeated') }}

),

evals as (

    {{ identified_rows('staged', 'names') }}

),

identified as (

    select
        ----------  ids
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        evals.task,

        ----------  metrics; one of them has had three names
        {%- for metric in eval_metrics() if metric != 'bits_per_byte_corr' %}
        evals.{{ metric }},
        {%- endfor %}
        coalesce(
            evals.bits_per_byte_corr, evals.logits_per_byte_corr, evals.correct_logit_per_byte
        ) as bits_per_byte_corr,

        ----------  as reported
        evals.tokens_reported,
        evals.compute_reported

    from evals
    anti join repeated
        on evals._source_file = repeated._source_file
        and evals._row_number = repeated._row_number

)

select * from identified
