{#-
    The record ids of the newest snapshot of every run: exported last, then landed last. Snapshots
    of the same moment with different content are told apart by their hash, so that the choice does
    not depend on the order of landing.
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
