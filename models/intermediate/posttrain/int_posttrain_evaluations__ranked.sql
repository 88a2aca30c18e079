with

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__deduplicated') }}

),

-- A judge may rewrite the metrics and leave the date: then the newer dump counts, in one dump what
-- landed later, and of what landed at once what was not there before, or is in a file of its own: a
-- judge rewrites that and not the line of metrics-all.jsonl.
ranked as (

    select
        *,
        row_number() over (
            partition by model_key, task_key
            order by
                evaluated_at desc nulls last,
                newest_dump desc nulls last,
                last_landed_at desc,
                first_landed_at desc,
                has_own_file desc,
                evaluation_id asc
        ) as recency,
        recency = 1 as is_newest,
        count(*) over (partition by model_key, task_key) as n_evaluations

    from evaluations

)

select * from ranked
