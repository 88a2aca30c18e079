with

exports as (

    select * from {{ ref('int_history__exports') }}
    where session is not null

),

sessions as (

    select
        exports.run_path,
        exports.session,
        min(exports.oldest_epoch_s) as oldest_epoch_s,
        max(exports.newest_epoch_s) as newest_epoch_s

    from exports
    group by all

),

-- Sessions that go on one after the other share a lane; one that begins while others run has the
-- next.
lanes as (

    select
        sessions.run_path,
        sessions.session,
        count(*) as lane

    from sessions
    inner join sessions as running
        on sessions.run_path = running.run_path
        and (sessions.oldest_epoch_s, sessions.session) > (running.oldest_epoch_s, running.session)
        and sessions.oldest_epoch_s < running.newest_epoch_s
    group by all

)

select * from lanes
