with

checkpoints as (

    select * from {{ ref('int_pretrain_checkpoints__united') }}

),

final as (

    select
        ----------  ids
        recipe,
        params,
        seed,
        step,

        ----------  position
        params_numeric,
        tokens,
        compute,
        compute_nominal,
        lr_at_step,
        cumulative_lr,
        is_final,
        last_step,
        last_step_ppl,
        last_step_evals,
        is_within_max_step,
        is_truncated_seed,

        ----------  what there is
        has_ppl,
        has_evals,
        n_olmes_tasks,

        ----------  metrics
        {%- for column in perplexity_columns() %}
        "{{ column }}",
        "{{ column }}" as {{ unquoted(column) }},
        {%- endfor %}
        olmes_10_macro_avg,
        mmlu_average,

        ----------  as reported
        tokens_reported,
        compute_reported

    from checkpoints

)

select * from final
