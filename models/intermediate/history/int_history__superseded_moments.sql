with

contradicted as (

    select * from {{ ref('int_history__contradicted_moments') }}

),

moments as (

    select * from {{ ref('int_history__moments') }}

),

contested_rows as (

    select * from {{ ref('int_history__contested_rows') }}

),

exports as (

    select * from {{ ref('int_history__exports') }}

),

logged as (

    select
        contested_rows.run_path,
        contested_rows.export_number,
        unnest({{ logged_keys('contested_rows') }}) as key

    from contested_rows
    semi join contradicted
        on contested_rows.run_path = contradicted.run_path
        and contested_rows.export_number
        in (contradicted.export_number, contradicted.later_number)

),

key_counts as (

    select
        logged.run_path,
        logged.export_number,
        logged.key,
        count(*) as n_rows

    from logged
    group by all

),

keys_of_exports as (

    select
        exports.run_path,
        exports.export_number,
        list(key_counts.key) as keys,
        list(key_counts.key) filter (where key_counts.n_rows = exports.n_rows) as keys_of_every_row

    from key_counts
    inner join exports
        on key_counts.run_path = exports.run_path
        and key_counts.export_number = exports.export_number
    group by all

),

keys_of_moments as (

    select
        moments.run_path,
        moments.step,
        moments.moment,
        flatten(list({{ logged_keys('contested_rows') }})) as keys

    from moments
    inner join contested_rows on moments.row_key = contested_rows.row_key
    semi join contradicted
        on moments.run_path = contradicted.run_path
        and moments.step = contradicted.step
        and moments.moment = contradicted.moment
    group by all

),

-- W&B exports some metrics as the rows that have all of them, and so says nothing of a row that
-- lacks one: such an export is known by what all of its rows have, and by what it lacks of another.
superseded as (

    select
        contradicted.run_path,
        contradicted.step,
        contradicted.moment,
        arg_max(contradicted.later_batch_id, contradicted.later_number) as superseded_by

    from contradicted
    left join keys_of_moments
        on contradicted.run_path = keys_of_moments.run_path
        and contradicted.step = keys_of_moments.step
        and contradicted.moment = keys_of_moments.moment
    left join keys_of_exports as earlier
        on contradicted.run_path = earlier.run_path
        and contradicted.export_number = earlier.export_number
    left join keys_of_exports as later
        on contradicted.run_path = later.run_path
        and contradicted.later_number = later.export_number
    where
        list_has_all(
            coalesce(keys_of_moments.keys, []), coalesce(later.keys_of_every_row, [])
        )
        or list_has_all(coalesce(later.keys, []), coalesce(earlier.keys, []))
    group by all

)

select * from superseded
