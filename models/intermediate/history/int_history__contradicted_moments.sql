with

moments as (

    select * from {{ ref('int_history__moments') }}
    where moment is not null and step is not null

),

exports as (

    select * from {{ ref('int_history__exports') }}

),

-- What is in the log of an offline session was logged, whatever the server has.
held_by_servers as (

    select
        moments.run_path,
        moments.step,
        moments.moment,
        max(moments.export_number) as export_number

    from moments
    group by all
    having bool_and(moments.origin != 'offline')

),

steps_of_exports as (

    select distinct
        moments.run_path,
        moments.step,
        moments.export_number

    from moments
    where moments.origin != 'offline'

),

-- An export says what W&B had of all steps that it has, but for the step at which it goes on where
-- another one ended: the halves of one file may have a row each of it, as a tail has.
contradicted as (

    select
        held_by_servers.*,
        later.export_number as later_number,
        later.batch_id as later_batch_id

    from held_by_servers
    inner join steps_of_exports
        on held_by_servers.run_path = steps_of_exports.run_path
        and held_by_servers.step = steps_of_exports.step
        and held_by_servers.export_number < steps_of_exports.export_number
    inner join exports as earlier
        on held_by_servers.run_path = earlier.run_path
        and held_by_servers.export_number = earlier.export_number
    inner join exports as later
        on steps_of_exports.run_path = later.run_path
        and steps_of_exports.export_number = later.export_number
    where
        earlier.said_s < later.said_s
        and not later.extends_earlier
        and not (
            earlier.last_step = later.first_step
            and earlier.first_step < later.first_step
            and earlier.last_step < later.last_step
        )
        and not (
            later.last_step = earlier.first_step
            and later.first_step < earlier.first_step
            and later.last_step < earlier.last_step
        )

)

select * from contradicted
