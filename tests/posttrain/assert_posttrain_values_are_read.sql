-- Times come as `2025-03-01 12:00:07 UTC`, which is not ISO 8601, and numbers as numbers. What is
-- there and cannot be read would silently lose the order of two evaluations, or a count.
with

landed as (

    select * from {{ ref('base_posttrain__records') }}

),

records as (

    select * from {{ ref('stg_posttrain__records') }}

)

select
    landed.directory,
    landed.file,
    landed.line,
    landed.current_date,
    landed.num_instances,
    landed.processing_time

from landed
inner join records
    on landed._batch_id = records._batch_id
    and landed.file = records.file
    and landed.line is not distinct from records.line
where
    (landed.current_date is not null and records.evaluated_at is null)
    or (landed.num_instances is not null and records.num_instances is null)
    or (landed.processing_time is not null and records.processing_time_s is null)
