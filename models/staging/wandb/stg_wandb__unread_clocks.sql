with

landed as (

    select * from {{ ref('base_wandb__history') }}

),

-- Where a clock is no plain number it stays among the metrics, as exported. Nearly every row has
-- both clocks, so hardly any metrics are read for this.
clocks as (

    select
        landed.entity,
        landed.project,
        landed.run_id,
        'step' as field,
        landed.metrics ->> '$._step' as value

    from landed
    where landed.step is null
    union all
    select
        landed.entity,
        landed.project,
        landed.run_id,
        'logged_at' as field,
        landed.metrics ->> '$._timestamp' as value

    from landed
    where landed.timestamp is null

),

unread as (

    select
        clocks.entity,
        clocks.project,
        clocks.run_id,
        clocks.field,
        count(*) as n_rows,
        min(clocks.value) as value

    from clocks
    where
        clocks.value is not null
        and case clocks.field
            when 'step' then try_cast({{ parse_integer('clocks.value') }} as bigint) is null
            else {{ parse_time('clocks.value') }} is null
        end
    group by all

)

select * from unread
