{#-
    Whether a landed row is of the revision that landed last: the models show one revision of a
    published table, not a mixture. `rows` is a relation with _source_file and _landed_at. Of two
    revisions that landed together, the one whose name sorts last is shown.
-#}
{% macro is_current_revision(rows) -%}
    {%- set folder = "'^huggingface/[^/]*/[^/]*/'" -%}
    _source_file in (
        select files._source_file
        from (select distinct newest._source_file, newest._landed_at from {{ rows }} as newest)
            as files
        qualify
            first_value(regexp_extract(files._source_file, {{ folder }})) over (
                order by files._landed_at desc, files._source_file desc
            ) = regexp_extract(files._source_file, {{ folder }})
    )
{%- endmacro %}
