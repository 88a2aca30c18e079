{#-
    The record ids of the snapshots that say what a run is: the newest one of the server, which
    tells all that the server knows, and the newest one of each offline session, which tells its
    part. `recency` is 1 for the last said, `n_snapshots` how many there are of the run.

    Newest is exported last, and landed last where two exports do not say which is newer. The hash
    settles what is left, so that the choice is never by chance. A log that landed before sessions
    were told apart is of the session that began when it says.
-#}
{% macro current_run_snapshots(relation) %}
    select
        newest.*,
        row_number() over (
            partition by newest.run_path
            order by
                newest._snapshot_at desc nulls last,
                newest.session desc nulls last
        ) as recency,
        count(*) over (partition by newest.run_path) as n_snapshots

    from (
        select
            sessions.*

        from (
            select
                snapshots._record_id,
                snapshots.run_id,
                {{ run_path('snapshots') }} as run_path,
                snapshots._snapshot_at,
                snapshots._landed_at,
                snapshots.content_sha256,
                case
                    when snapshots._origin = 'offline' or snapshots.session is not null
                        then coalesce(
                            snapshots.session,
                            max(snapshots.session) over (
                                partition by
                                    snapshots.entity,
                                    snapshots.project,
                                    snapshots.run_id,
                                    snapshots.created_at
                            ),
                            snapshots.created_at,
                            ''
                        )
                end as session

            from {{ relation }} as snapshots
        ) as sessions
        qualify row_number() over (
            partition by sessions.run_path, sessions.session
            order by
                sessions._snapshot_at desc nulls last,
                sessions._landed_at desc,
                sessions.content_sha256 desc
        ) = 1
    ) as newest
{% endmacro %}
