with

placed_rows as (

    select * from {{ ref('int_history__placed_rows') }}
    where superseded_by is null

),

contested_rows as (

    select * from {{ ref('int_history__contested_rows') }}

),

-- Most exports that have a row in common have it with the same content.
differing as (

    select
        placed_rows.run_path,
        placed_rows.step,
        placed_rows.row_ordinal

    from placed_rows
    inner join contested_rows on placed_rows.row_key = contested_rows.row_key
    group by all
    having min(contested_rows.content_hash) != max(contested_rows.content_hash)

),

entries as (

    select
        placed_rows.run_path,
        placed_rows.step,
        placed_rows.row_ordinal,
        flatten(list(
            {{ metric_entries('contested_rows') }} order by placed_rows.export_number desc
        )) as latest_first,
        [struct_extract(entry, 'key') for entry in latest_first] as keys

    from placed_rows
    inner join contested_rows on placed_rows.row_key = contested_rows.row_key
    semi join differing
        on placed_rows.run_path = differing.run_path
        and placed_rows.step is not distinct from differing.step
        and placed_rows.row_ordinal = differing.row_ordinal
    group by all

),

-- Each key has the value of the latest export that has it, as a whole and with its own digits.
merged_metrics as (

    select
        entries.* exclude (latest_first, keys),
        to_json(map_from_entries(list_sort([
            entry
            for entry, place in entries.latest_first
            if list_position(entries.keys, entry.key) = place and entry.value is not null
        ]))) as metrics

    from entries

)

select * from merged_metrics
