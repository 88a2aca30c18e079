-- The rows of the runs for which there is something to decide, once more and each with a name, so
-- that what is decided of them can be said without carrying their metrics along.
with

attributed as (

    select * from {{ ref('int_history__attributed') }}
    where run_path is not null

),

exports as (

    select * from {{ ref('int_history__exports') }}
    where is_contested and replaced_by is null

),

contested_rows as (

    select
        row_number() over () as row_key,
        exports.export_number,
        attributed.*,
        hash(
            attributed.train_loss,
            attributed.learning_rate,
            attributed.total_tokens,
            cast(attributed.metrics as varchar)
        ) as content_hash

    from attributed
    inner join exports
        on attributed.run_path = exports.run_path
        and attributed._batch_id = exports.batch_id
        and attributed.session is not distinct from exports.session

)

select * from contested_rows
