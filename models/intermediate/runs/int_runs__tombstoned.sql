with

outcomes as (

    select * from {{ ref('stg_wandb__outcomes') }}
    where item = 'run' and status in ('deleted', 'restored')

),

-- A run that came back to W&B has its tombstone closed.
newest as (

    select
        {{ run_path('outcomes') }} as run_path,
        outcomes.status,
        outcomes.recorded_at,
        outcomes.last_seen_at

    from outcomes
    qualify row_number() over (
        partition by outcomes.entity, outcomes.project, outcomes.run_id
        order by outcomes.recorded_at desc, outcomes.status asc
    ) = 1

),

tombstoned as (

    select
        newest.run_path,
        newest.recorded_at as deleted_at,
        newest.last_seen_at

    from newest
    where newest.status = 'deleted'

)

select * from tombstoned
