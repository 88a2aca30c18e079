{#-
    Pre-hook of an incremental model that is computed from rows of landed files: what the files
    gave that are not in the zone any more goes. An empty zone deletes nothing, as in
    set_landed_files.
-#}
{% macro delete_rows_of_gone_files() %}
    {%- set files = ref('base_landing__files') %}
    {%- if is_incremental() %}
    delete from {{ this }}
    where
        _source_file not in (select files.path from {{ files }} as files)
        and exists (select 1 from {{ files }});
    {%- else %}
    select 1;
    {%- endif %}
{% endmacro %}
