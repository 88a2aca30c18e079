with

landed as (

    select * from {{ ref('base_wandb__history') }}

),

history as (

    select
        ----------  ids
        landed.entity,
        landed.project,
        landed.run_id,
        coalesce(landed.step, try_cast(landed.metrics ->> '$._step' as bigint)) as step,

        ----------  metrics
        -- Landed as a number where it is one; else what its text says: "NaN", "Infinity", "1e-5".
        {%- for name in ['train_loss', 'learning_rate', 'total_tokens'] %}
        {%- set text = "json_extract_string(landed.metrics, '$." ~ name ~ "')" %}
        coalesce(landed.{{ name }}, {{ parse_metric(text) }}) as {{ name }},
        {%- endfor %}
        landed.metrics,

        ----------  times
        coalesce(
            landed.timestamp,
            try_cast(landed.metrics ->> '$._timestamp' as double),
            epoch(try_cast(landed.metrics ->> '$._timestamp' as timestamptz))
        ) as epoch_s,
        coalesce(
            landed.runtime, try_cast(landed.metrics ->> '$._runtime' as double)
        ) as runtime_s,

        ----------  provenance
        landed._batch_id,
        landed._batch_order

    from landed

)

select * from history
