{{ config(materialized = 'view') }}

with

unpivoted as (

    select * from {{ ref('int_evals__unpivoted') }}
    where metric != 'task_config' and form != 'unknown'

),

-- A number, or the text of one; a boolean, a list or an object is none and stays null.
numbers as (

    select
        unpivoted.run_path,
        unpivoted.run_id,
        unpivoted.task_name,
        unpivoted.metric,
        unpivoted.form = 'object' as is_object,
        unpivoted.value_json,
        coalesce(
            case
                when left(unpivoted.value_json, 1) in ('t', 'f', '{', '[', '"') then null
                else try_cast(unpivoted.value_json as double)
            end,
            {{ parse_metric("trim(unpivoted.value_json, '\"')") }}
        ) as value

    from unpivoted

),

-- Both forms say the same where they overlap: one row each, the object's value first.
merged as (

    select
        numbers.run_path,
        any_value(numbers.run_id) as run_id,
        numbers.task_name,
        numbers.metric,
        any_value(numbers.value) filter (where numbers.is_object) as object_value,
        any_value(numbers.value) filter (where not numbers.is_object) as scalar_value,
        coalesce(object_value, scalar_value) as reported_value,
        arg_min(
            numbers.value_json, (numbers.value is null, not numbers.is_object)
        ) as value_json

    from numbers
    group by numbers.run_path, numbers.task_name, numbers.metric

)

select * from merged
