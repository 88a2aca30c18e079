{#-
    The entries of one payload (config, summary) of every run: run_path, run_id, key, value. Payloads
    are taken apart before old snapshots are left out, because a join would copy them whole: 500
    keys a run. Nearly every run has one snapshot that counts; of several, each adds the keys that
    it has, and of a key that several have the value that was said last.
-#}
{% macro current_run_entries(relation, payload) %}
    select
        current_snapshots.run_path,
        current_snapshots.run_id,
        entries.key,
        entries.value

    from (
        select
            snapshots._record_id,
            unnest(map_entries(snapshots.{{ payload }}), recursive := true)

        from {{ relation }} as snapshots
    ) as entries
    inner join ({{ current_run_snapshots(relation) }}) as current_snapshots
        on entries._record_id = current_snapshots._record_id
    where current_snapshots.n_snapshots = 1
    union all
    select
        of_many.run_path,
        of_many.run_id,
        of_many.entry.key as key,
        arg_min(of_many.entry.value, of_many.recency) as value

    from (
        select
            current_snapshots.run_path,
            current_snapshots.run_id,
            current_snapshots.recency,
            unnest(map_entries(snapshots.{{ payload }})) as entry

        from {{ relation }} as snapshots
        inner join ({{ current_run_snapshots(relation) }}) as current_snapshots
            on snapshots._record_id = current_snapshots._record_id
        where current_snapshots.n_snapshots > 1
    ) as of_many
    group by all
{% endmacro %}
