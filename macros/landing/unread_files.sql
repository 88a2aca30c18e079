{#-
    The landed files of a source of which not every row was read. A file that was cut at the end of
    a line reads without an error and lacks rows; the manifests know how many it has.
-#}
{% macro unread_files(source, relations) -%}
with

files as (

    select * from {{ ref('base_landing__files') }}
    where source = '{{ source }}'

),

read_rows as (

    {%- for relation in relations %}
    select
        landed._source_file,
        count(*) as n_rows

    from {{ relation }} as landed
    group by all
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}

)

select
    files.path,
    files.rows as n_rows_landed,
    coalesce(read_rows.n_rows, 0) as n_rows_read

from files
left join read_rows on files.path = read_rows._source_file
where files.rows != coalesce(read_rows.n_rows, 0)
{%- endmacro %}
