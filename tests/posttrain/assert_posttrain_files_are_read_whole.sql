-- A landed file that was cut at the end of a line reads without an error and lacks rows. The
-- manifests know how many rows each file has.
with

files as (

    select * from {{ ref('base_landing__files') }}

),

read_rows as (

    {%- for kind in ['records', 'files', 'outcomes'] %}
    select
        landed._source_file,
        count(*) as n_rows

    from {{ ref('base_posttrain__' ~ kind) }} as landed
    group by all
    union all
    {%- endfor %}
    select
        scored._source_file,
        count(*) as n_rows

    from {{ ref('int_instance_questions__scored') }} as scored
    where scored.predictions_sha256 is not null
    group by all

)

select
    files.path,
    files.rows as n_rows_landed,
    coalesce(read_rows.n_rows, 0) as n_rows_read

from files
left join read_rows on files.path = read_rows._source_file
where files.source = 'posttrain' and files.rows != coalesce(read_rows.n_rows, 0)
