with

landed as (

    select * from {{ ref('base_wandb__outcomes') }}

),

outcomes as (

    select
        ----------  ids
        landed._batch_id as batch_id,
        landed.item,
        landed.entity,
        landed.project,
        landed.run_id,
        landed.line,

        ----------  outcome
        landed.status,
        landed.reason,
        landed.message,
        landed.rows as n_rows,
        coalesce(try_cast(landed.progress ->> '$.replaces_earlier' as boolean), false)
            as replaces_earlier,
        -- `n_rows` counts the history so far, of which the batch holds what has come since.
        coalesce(try_cast(landed.progress ->> '$.n_rows' as bigint) > landed.rows, false)
            as extends_earlier,

        ----------  times
        try_cast(landed.recorded_at as timestamptz) as recorded_at,
        try_cast(landed.progress ->> '$.last_seen_at' as timestamptz) as last_seen_at

    from landed

)

select * from outcomes
