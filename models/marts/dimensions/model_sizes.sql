with

derived as (

    select * from {{ ref('int_model_sizes__derived') }}

),

sizes as (

    select
        ----------  label and parameter counts
        params,
        params_numeric,
        n_params,
        n_schedule,

        ----------  shape
        d_model,
        n_heads,
        n_layers,

        ----------  batch
        batch_size,
        sequence_length,
        tokens_per_step,

        ----------  schedule
        warmup_tokens,
        warmup_steps,
        decay_steps,
        total_steps,
        warmup_perc,
        lrdecay_10_perc_steps,
        early_window_10p_end_step,
        early_window_perc,

        ----------  totals
        total_tokens,
        total_sequences,
        final_step,
        final_tokens,
        max_step_to_use,

        ----------  learning rate
        lr_warmup_start,
        lr_max,
        lr_final,
        lr_max_published,

        ----------  compute
        compute_per_step,
        compute_nominal_per_step

    from derived

)

select * from sizes
