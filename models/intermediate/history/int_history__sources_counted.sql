with

exports as (

    select * from {{ ref('int_history__exports') }}

),

placed_rows as (

    select * from {{ ref('int_history__placed_rows') }}

),

decided as (

    select
        placed_rows.run_path,
        placed_rows.export_number,
        count(*) filter (where placed_rows.is_shown) as n_rows_shown,
        count(placed_rows.superseded_by) as n_rows_superseded,
        list_sort(list(distinct placed_rows.superseded_by) filter (
            where placed_rows.superseded_by is not null
        )) as superseded_by

    from placed_rows
    group by all

),

fates as (

    select
        exports.*,
        case
            when exports.replaced_by is not null then 0
            when exports.is_contested then decided.n_rows_shown
            else exports.n_rows
        end as n_rows_shown,
        case
            when exports.replaced_by is not null then exports.n_rows
            else coalesce(decided.n_rows_superseded, 0)
        end as n_rows_superseded,
        case
            when exports.replaced_by is not null then [exports.replaced_by]
            else coalesce(decided.superseded_by, [])
        end as superseded_by

    from exports
    left join decided
        on exports.run_path = decided.run_path
        and exports.export_number = decided.export_number

),

sources as (

    select
        fates.run_path,
        fates.batch_id,
        any_value(fates.origin) as origin,
        max(fates.session) as session,
        {{ to_moment('max(fates.said_s)') }} as said_at,
        cast(sum(fates.n_rows) as bigint) as n_rows_landed,
        cast(sum(fates.n_rows_shown) as bigint) as n_rows_shown,
        cast(sum(fates.n_rows - fates.n_rows_shown - fates.n_rows_superseded) as bigint)
            as n_rows_merged,
        cast(sum(fates.n_rows_superseded) as bigint) as n_rows_superseded,
        list_sort(list_distinct(flatten(list(fates.superseded_by)))) as superseded_by

    from fates
    group by fates.run_path, fates.batch_id

)

select * from sources
