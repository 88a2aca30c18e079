{#-
    Whether a landed row is of the revision that landed last: the models show one revision of a
    published table, not a mixture. `rows` is a relation with _source_file and _landed_at.
-#}
{% macro is_current_revision(rows) -%}
    {%- set folder = "'^huggingface/[^/]*/[^/]*/'" -%}
    regexp_extract(_source_file, {{ folder }}) = (
        select arg_max(regexp_extract(newest._source_file, {{ folder }}), newest._landed_at)
        from {{ rows }} as newest
    )
{%- endmacro %}
