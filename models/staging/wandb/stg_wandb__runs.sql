{{ config(materialized = 'table') }}

with

snapshots as (

    select * from {{ ref('base_wandb__runs') }}

),

latest as (

    {{ latest_run_snapshots('snapshots') }}

),

-- A snapshot may come without wandb-metadata.json: it costs W&B's clients a request of its own.
metadata as (

    select
        {{ run_path('snapshots') }} as run_path,
        arg_max(
            snapshots.wandb_metadata -> '$.args', (snapshots._snapshot_at, snapshots._landed_at)
        ) as args

    from snapshots
    where snapshots.wandb_metadata is not null
    group by all

),

runs as (

    select
        ----------  ids
        {{ run_path('snapshots') }} as run_path,
        snapshots.entity,
        snapshots.project,
        snapshots.run_id,
        coalesce(
            snapshots.run_name,
            snapshots.display_name,
            snapshots.system_attrs.displayname,
            snapshots.run_id
        ) as run_name,

        ----------  attributes
        coalesce(snapshots.state, snapshots.system_attrs.state) as state,
        coalesce(
            try_cast(snapshots.tags as varchar[]),
            try_cast(snapshots.system_attrs.tags as varchar[]),
            []
        ) as tags,
        coalesce(snapshots.notes, snapshots.system_attrs.notes) as notes,
        coalesce(
            try_cast(snapshots.history_line_count ->> '$' as bigint),
            try_cast(snapshots.system_attrs.historylinecount as bigint)
        ) as history_line_count,
        metadata.args,
        coalesce(try_cast(snapshots.extra ->> '$.is_incomplete' as boolean), false)
            as is_incomplete,

        ----------  summary
        snapshots.summary['total_tokens'] ->> '$' as summary_total_tokens_text,
        snapshots.summary['_step'] ->> '$' as summary_step_text,
        snapshots.summary['train_loss'] ->> '$' as summary_train_loss_text,
        snapshots.summary['_runtime'] ->> '$' as summary_runtime_text,

        ----------  times
        try_cast(coalesce(
            snapshots.created_at, snapshots.system_attrs.createdat
        ) as timestamptz) as created_at,
        try_cast(coalesce(
            snapshots.updated_at,
            snapshots.heartbeat_at,
            snapshots.system_attrs.heartbeatat
        ) as timestamptz) as updated_at,
        snapshots._snapshot_at as snapshot_at,

        ----------  provenance
        snapshots._record_id,
        snapshots._source_file

    from snapshots
    left join metadata on {{ run_path('snapshots') }} = metadata.run_path
    where snapshots._record_id in (select latest._record_id from latest)

)

select * from runs
