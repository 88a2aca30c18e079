with

ppl as (

    select * from {{ ref('int_pretrain_ppl__identified') }}

),

scored as (

    select * from {{ ref('int_pretrain_checkpoints__scored') }}

),

sizes as (

    select * from {{ ref('int_model_sizes__derived') }}

),

-- By exact step: the last ones differ (4M Dolma1.7 has perplexities at 5725 and 5735, evaluations
-- at 5725 only), and rounding would invent a match.
united as (

    select
        coalesce(ppl.recipe, scored.recipe) as recipe,
        coalesce(ppl.params, scored.params) as params,
        coalesce(ppl.seed, scored.seed) as seed,
        coalesce(ppl.step, scored.step) as step,
        ppl.step is not null as has_ppl_row,
        scored.step is not null as has_evals,
        ppl.* exclude (recipe, params, seed, step),
        scored.* exclude (recipe, params, seed, step)

    from ppl
    full join scored
        on ppl.recipe = scored.recipe
        and ppl.params = scored.params
        and ppl.seed = scored.seed
        and ppl.step = scored.step

),

flagged as (

    select
        united.*,
        coalesce(
            {%- for name in perplexity_sets() %}
            united."{{ name }}-valppl"{{ ',' if not loop.last }}
            {%- endfor %}
        ) is not null as has_ppl,
        max(united.step) over curve as last_step,
        max(united.step) filter (where united.has_ppl_row) over curve as last_step_ppl,
        max(united.step) filter (where united.has_evals) over curve as last_step_evals

    from united
    window curve as (partition by united.recipe, united.params, united.seed)

),

-- Tokens and compute come from the size, never from rows: ratios by row once doubled them.
sized as (

    select
        flagged.*,
        sizes.params_numeric,
        flagged.step * sizes.tokens_per_step as tokens,
        flagged.step * sizes.compute_per_step as compute,
        flagged.step * sizes.compute_nominal_per_step as compute_nominal,
        {{ lr_at_step('flagged.step', 'sizes') }} as lr_at_step,
        {{ cumulative_lr('flagged.step', 'sizes') }} as cumulative_lr,
        flagged.step = flagged.last_step as is_final,
        flagged.step <= sizes.max_step_to_use as is_within_max_step,
        -- Copies of 1B stop at 17339 of 69369 steps, those of 750M at 28257 of 63589.
        flagged.last_step < sizes.max_step_to_use as is_truncated_seed

    from flagged
    left join sizes on flagged.params = sizes.params

)

select * from sized
