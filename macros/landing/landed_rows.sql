{#-
    The rows of landed files, and where each came from: what every base model reads. The reader of
    the source adds `filename`, and to Parquet `file_row_number` (numbered). A file that no manifest
    names has not landed. `also`: what else is said of a file.
-#}
{% macro landed_rows(landed, numbered=false, also=[]) -%}
    select
        landed.* exclude (filename{{ ', file_row_number' if numbered }}),
        {{ 'landed.file_row_number as _row_number,' if numbered }}
        {%- for column in also %}
        {{ column }},
        {%- endfor %}
        files.path as _source_file,
        files.batch_id as _batch_id,
        files.landed_at as _landed_at

    from {{ landed }} as landed
    inner join {{ ref('base_landing__files') }} as files
        on landed.filename = '{{ raw_dir() }}/' || files.path
{%- endmacro %}
