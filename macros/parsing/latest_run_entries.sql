{#-
    The entries of one payload (config, summary) in the newest snapshot of every run: run_path,
    run_id, key, value. Payloads are taken apart before old snapshots are left out, because a join
    would copy them whole: 500 keys a run.
-#}
{% macro latest_run_entries(relation, payload) %}
    select
        latest.run_path,
        latest.run_id,
        entries.key,
        entries.value

    from (
        select
            snapshots._record_id,
            unnest(map_entries(snapshots.{{ payload }}), recursive := true)

        from {{ relation }} as snapshots
    ) as entries
    inner join ({{ latest_run_snapshots(relation) }}) as latest
        on entries._record_id = latest._record_id
{% endmacro %}
