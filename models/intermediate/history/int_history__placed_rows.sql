with

moments as (

    select * from {{ ref('int_history__moments') }}

),

superseded as (

    select * from {{ ref('int_history__superseded_moments') }}

),

judged as (

    select
        moments.*,
        superseded.superseded_by,
        -- Without a time a row of an export is the one that stands there in the step's order; a row
        -- of a session is one of its own.
        moments.moment is not null or moments.session is not null as has_own_place

    from moments
    left join superseded
        on moments.run_path = superseded.run_path
        and moments.step = superseded.step
        and moments.moment = superseded.moment

),

placed as (

    select
        judged.*,
        case
            when judged.superseded_by is not null then null
            when judged.has_own_place
                then dense_rank() over (
                    partition by
                        judged.run_path,
                        judged.step,
                        judged.superseded_by,
                        judged.has_own_place
                    order by judged.moment nulls last, judged.twin
                ) - 1
            else judged.twin
        end as row_ordinal

    from judged

),

-- Of the landed rows that are one logged row, the one of the latest export is shown, and the
-- others are merged into it.
placed_rows as (

    select
        placed.row_key,
        placed.run_path,
        placed.step,
        cast(placed.row_ordinal as integer) as row_ordinal,
        placed.export_number,
        placed.superseded_by,
        placed.superseded_by is null and row_number() over (
            partition by placed.run_path, placed.step, placed.row_ordinal
            order by placed.export_number desc, placed.row_key desc
        ) = 1 as is_shown

    from placed

)

select * from placed_rows
