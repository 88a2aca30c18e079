{{ config(
    materialized = 'incremental',
    on_schema_change = 'fail',
    pre_hook = "{{ set_landed_files(
        'huggingface', 'ppl', 'models/base/huggingface/empty/ppl.parquet'
    ) }}"
) }}

with

landed as (

    select * from {{ ref('base_huggingface__ppl') }}

),

perplexities as (

    select
        ----------  ids
        landed.params,
        landed.data as recipe_raw,
        landed.seed as seed_raw,
        try_cast(landed.step as bigint) as step,

        ----------  metrics
        {%- for name in perplexity_sets() %}
        landed."eval/{{ name }}-validation/Perplexity" as "{{ name }}-valppl",
        {%- endfor %}

        ----------  provenance
        landed._source_file,
        landed._row_number,
        landed._landed_at

    from landed

)

select * from perplexities
