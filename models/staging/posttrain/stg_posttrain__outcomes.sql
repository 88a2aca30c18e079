with

landed as (

    select * from {{ ref('base_posttrain__outcomes') }}

),

outcomes as (

    select
        ----------  ids
        landed._batch_id as batch_id,
        landed.item,
        landed.line,

        ----------  outcome
        landed.status,
        landed.reason,
        landed.message,
        landed.rows as n_rows,

        ----------  times
        try_cast(landed.recorded_at as timestamptz) as recorded_at

    from landed

)

select * from outcomes
