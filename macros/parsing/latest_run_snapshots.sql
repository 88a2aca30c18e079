{#-
    The record ids of the newest snapshot of every run: exported last, and landed last where two
    exports do not say which is newer. The hash settles what is left, so that the choice is never
    by chance.
-#}
{% macro latest_run_snapshots(relation) %}
    select
        snapshots._record_id,
        snapshots.run_id,
        {{ run_path('snapshots') }} as run_path

    from {{ relation }} as snapshots
    qualify row_number() over (
        partition by snapshots.entity, snapshots.project, snapshots.run_id
        order by
            snapshots._snapshot_at desc nulls last,
            snapshots._landed_at desc,
            snapshots.content_sha256 desc
    ) = 1
{% endmacro %}
