{#- Of OLMo's ladder: a batch is fitted to a 108M reference model and is a multiple of 32. -#}
{%- set sequence_length = 2048 -%}
{%- set reference_n = '108e6' -%}

with

sizes as (

    select * from {{ ref('model_size_registry') }}

),

-- Rounding is half to even everywhere, as in the published tables: a tenth of the 530M decay is
-- 5512.5 steps, which they give as 5512.
batches as (

    select
        sizes.*,
        cast(
            cast(regexp_extract(sizes.params, '^([0-9]+)[MB]$', 1) as bigint)
            * case right(sizes.params, 1) when 'M' then 1000000 when 'B' then 1000000000 end
            as bigint
        ) as params_numeric,
        cast(sizes.n_schedule as double) / {{ reference_n }} as relative_n,
        cast({{ sequence_length }} as integer) as sequence_length,
        cast(32 * round_even(160 * pow(relative_n, 2.0 / 3.0) / 32, 0) as integer) as batch_size,
        100 * sizes.n_schedule as total_tokens,
        cast(0.0047 as double) * pow(relative_n, -1.0 / 3.0) as lr_max

    from sizes

),

steps as (

    select
        batches.*,
        -- BIGINT, for its product with a step does not fit an INTEGER.
        cast(batches.batch_size * batches.sequence_length as bigint) as tokens_per_step,
        cast(round_even(batches.total_tokens / batches.sequence_length, 0) as bigint)
            as total_sequences,
        cast(
            round_even(batches.n_schedule / (batches.batch_size / batches.sequence_length), 0)
            as bigint
        ) as warmup_tokens

    from batches

),

schedules as (

    select
        steps.*,
        cast(ceil(steps.total_tokens / steps.tokens_per_step) as bigint) as total_steps,
        cast(ceil(steps.warmup_tokens / steps.tokens_per_step) as bigint) as warmup_steps,
        total_steps - warmup_steps as decay_steps,
        cast(round_even(decay_steps / 10, 0) as bigint) as lrdecay_10_perc_steps

    from steps

),

derived as (

    select
        ----------  label and parameter counts
        schedules.params,
        schedules.params_numeric,
        schedules.n_params,
        schedules.n_schedule,

        ----------  shape
        schedules.d_model,
        schedules.n_heads,
        schedules.n_layers,

        ----------  batch
        schedules.batch_size,
        schedules.sequence_length,
        schedules.tokens_per_step,

        ----------  schedule
        schedules.warmup_tokens,
        schedules.warmup_steps,
        schedules.decay_steps,
        schedules.total_steps,
        schedules.warmup_steps / schedules.total_steps as warmup_perc,
        schedules.lrdecay_10_perc_steps,
        schedules.warmup_steps + schedules.lrdecay_10_perc_steps as early_window_10p_end_step,
        early_window_10p_end_step / schedules.total_steps as early_window_perc,

        ----------  totals
        schedules.total_tokens,
        schedules.total_sequences,
        schedules.final_step,
        schedules.final_step * schedules.tokens_per_step as final_tokens,
        schedules.max_step_to_use,

        ----------  learning rate
        cast(0 as double) as lr_warmup_start,
        schedules.lr_max,
        schedules.lr_max / 100 as lr_final,
        -- The model table uses n_params; where it agrees with n_schedule so do the two rates.
        case
            when schedules.n_params = schedules.n_schedule then schedules.lr_max
            else schedules.lr_max_published
        end as lr_max_published,

        ----------  compute; DOUBLE, for a product with a step overflows BIGINT
        cast(6 * schedules.n_params as double) * schedules.tokens_per_step as compute_per_step,
        cast(6 * schedules.params_numeric as double)
        * schedules.tokens_per_step as compute_nominal_per_step

    from schedules

)

select * from derived
