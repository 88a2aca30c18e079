{#-
    Pre-hook of the model that stores what a source reads: sets the session variables that its
    source reads, so that the model reads only the landed files that it has not read before (all of
    them on a full refresh).

    <source>_<kind>_files        the files, relative to the working directory; never an empty list,
                                 which no reader accepts: `empty` stands first
    <source>_<kind>_object_size  room for the longest record among them, 16 MiB at least. DuckDB
                                 keeps two buffers of this size a thread, so it grows only when a
                                 file needs it

    Rows of files that have gone are deleted before.
-#}
{% macro set_landed_files(source, kind, empty='models/base/empty.jsonl') %}
    {%- set files = ref('base_landing__files') %}
    {{ delete_rows_of_gone_files() }}

    set variable landed_files = (
        select list(files order by files.path)
        from {{ files }} as files
        where
            files.source = '{{ source }}'
            and files.kind = '{{ kind }}'
            {%- if is_incremental() %}
            and files.path not in (select distinct seen._source_file from {{ this }} as seen)
            {%- endif %}
    );

    set variable {{ source }}_{{ kind }}_files = (
        ['{{ empty }}'] || coalesce(
            list_transform(getvariable('landed_files'), lambda file: '{{ raw_dir() }}/' || file.path),
            []
        )
    );

    set variable {{ source }}_{{ kind }}_object_size = (
        greatest(
            16777216,
            coalesce(
                list_max(list_transform(
                    getvariable('landed_files'), lambda file: file.max_record_bytes
                )),
                0
            ) + 1024
        )
    );
{% endmacro %}
