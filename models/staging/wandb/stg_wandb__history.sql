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
        landed.session,
        coalesce(
            landed.step, try_cast({{ parse_integer("(landed.metrics ->> '$._step')") }} as bigint)
        ) as step,

        ----------  metrics
        -- Landed as a number where it is one; else what its text says: "NaN", "Infinity", "1e-5".
        {%- for name in ['train_loss', 'learning_rate', 'total_tokens'] %}
        {%- set text = "json_extract_string(landed.metrics, '$." ~ name ~ "')" %}
        coalesce(landed.{{ name }}, {{ parse_metric(text) }}) as {{ name }},
        {%- endfor %}
        -- A DOUBLE holds whole numbers up to 2^53 only.
        coalesce(
            try_cast(landed.total_tokens as bigint),
            try_cast(
                {{ parse_integer("json_extract_string(landed.metrics, '$.total_tokens')") }}
                as bigint
            )
        ) as total_tokens_exact,
        landed.metrics,

        ----------  times
        coalesce(
            {{ epoch_seconds('landed.timestamp') }},
            epoch({{ parse_time("(landed.metrics ->> '$._timestamp')") }})
        ) as epoch_s,
        coalesce(
            landed.runtime, try_cast(landed.metrics ->> '$._runtime' as double)
        ) as runtime_s,

        ----------  provenance
        landed.input_row,
        landed._origin,
        landed._batch_id,
        landed._exported_at,
        landed._landed_at

    from landed

)

select * from history
