with

sources as (

    select * from {{ ref('int_history__sources_counted') }}

),

final as (

    select
        sources.run_path,
        string_split(sources.run_path, '/')[1] as entity,
        string_split(sources.run_path, '/')[2] as project,
        array_to_string(string_split(sources.run_path, '/')[3:], '/') as run_id,
        sources.batch_id,
        sources.origin,
        sources.session,
        sources.said_at,
        sources.n_rows_landed,
        sources.n_rows_shown,
        sources.n_rows_merged,
        sources.n_rows_superseded,
        sources.superseded_by

    from sources

)

select * from final
order by run_path, said_at, batch_id
