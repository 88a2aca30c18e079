-- A tarball that ended in a nested directory, or a checkpoint that was half unpacked, once counted
-- as done, and the rest was missing from every mean. Every row of a landed file is read, scored,
-- counted in the means of its task, and shown in the marts.
with

landed as (

    select
        files.path,
        files.kind,
        files.rows as n_landed

    from {{ ref('base_landing__files') }} as files
    where files.source = 'instances' and files.kind in ('tasks', 'questions')

),

read_rows as (

    select
        tasks._source_file,
        'tasks: rows of the file, rows read' as counted,
        count(*) as n_read

    from {{ ref('stg_instances__tasks') }} as tasks
    group by all
    union all
    select
        scored._source_file,
        'questions: rows of the file, rows scored' as counted,
        count(*) as n_read

    from {{ ref('int_instance_questions__scored') }} as scored
    group by all
    union all
    select
        recomputed._source_file,
        'questions: rows of the file, rows in the means' as counted,
        sum(recomputed.n_questions) as n_read

    from {{ ref('int_instance_tasks__recomputed') }} as recomputed
    group by all

),

by_file as (

    select
        landed.path,
        kinds.counted,
        landed.n_landed as expected,
        coalesce(read_rows.n_read, 0) as actual

    from landed
    inner join (
        values
        ('tasks', 'tasks: rows of the file, rows read'),
        ('questions', 'questions: rows of the file, rows scored'),
        ('questions', 'questions: rows of the file, rows in the means')
    ) as kinds (kind, counted) on landed.kind = kinds.kind
    left join read_rows
        on landed.path = read_rows._source_file and kinds.counted = read_rows.counted

),

counts as (

    select * from by_file
    union all
    select
        null as path,
        'tasks: rows of all files, rows of the mart' as counted,
        coalesce(sum(landed.n_landed) filter (where landed.kind = 'tasks'), 0) as expected,
        (select count(*) from {{ ref('instance_tasks') }}) as actual

    from landed
    union all
    select
        null as path,
        'questions: rows of all files, rows of the mart' as counted,
        coalesce(sum(landed.n_landed) filter (where landed.kind = 'questions'), 0) as expected,
        (select count(*) from {{ ref('instance_questions') }}) as actual

    from landed

)

select * from counts
where actual is distinct from expected
