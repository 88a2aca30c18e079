with

staged as (

    select * from {{ ref('stg_huggingface__ppl') }}

),

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

current_rows as (

    select * from staged
    where {{ is_current_revision('staged') }}

),

identified as (

    select
        ----------  ids
        names.recipe,
        names.params,
        names.seed,
        current_rows.step,

        ----------  perplexities
        {%- for name in perplexity_sets() %}
        case when isfinite(current_rows."{{ name }}-valppl")
            then current_rows."{{ name }}-valppl"
        end as "{{ name }}-valppl"{{ ',' if not loop.last }}
        {%- endfor %}

    from current_rows
    inner join names
        on current_rows.params = names.params
        and current_rows.recipe_raw = names.recipe_raw
        and current_rows.seed_raw = names.seed_raw
    -- Of rows with the same key the one that landed last counts, and of one landing the first.
    qualify row_number() over (
        partition by names.recipe, names.params, names.seed, current_rows.step
        order by
            current_rows._landed_at desc,
            current_rows._source_file asc,
            current_rows._row_number asc
    ) = 1

)

select * from identified
