with

staged as (

    select * from {{ ref('stg_huggingface__ppl') }}

),

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

perplexities as (

    {{ identified_rows('staged', 'names') }}

),

identified as (

    select
        ----------  ids
        perplexities.recipe,
        perplexities.params,
        perplexities.seed,
        perplexities.step,

        ----------  perplexities
        {%- for name in perplexity_sets() %}
        case when isfinite(perplexities."{{ name }}-valppl")
            then perplexities."{{ name }}-valppl"
        end as "{{ name }}-valppl"{{ ',' if not loop.last }}
        {%- endfor %}

    from perplexities
    -- Of rows with the same key the one that landed last counts, and of one landing the first.
    qualify row_number() over (
        partition by
            perplexities.recipe, perplexities.params, perplexities.seed, perplexities.step
        order by
            perplexities._landed_at desc,
            perplexities._source_file asc,
            perplexities._row_number asc
    ) = 1

)

select * from identified
