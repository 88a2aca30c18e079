with

landed as (

    select * from {{ ref('base_wandb__runs') }}

),

snapshots as (

    select
        ----------  ids
        {{ run_path('landed') }} as run_path,
        landed._batch_id as batch_id,

        ----------  times
        landed._snapshot_at as snapshot_at

    from landed

)

select * from snapshots
