{#-
    What the landed files gave that are not in the zone any more (of another zone, built before)
    goes: the warehouse is a function of what has landed. An empty zone deletes nothing, because a
    mistyped path is one. For incremental models with a `_source_file`.
-#}
{% macro delete_rows_of_gone_files() %}
    {%- set files = ref('base_landing__files') %}
    {%- if is_incremental() %}
    delete from {{ this }}
    where
        _source_file not in (select files.path from {{ files }} as files)
        and exists (select 1 from {{ files }});
    {%- endif %}
{% endmacro %}
