with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

tokens as (

    select
        runs.run_path,
        runs.run_id,
        unnest(cast(runs.args as varchar[])) as token,
        generate_subscripts(cast(runs.args as varchar[]), 1) as position

    from runs
    where json_type(runs.args) = 'ARRAY'

),

-- A flag owns the tokens up to the next one. A negative number is a value: it has one dash.
flags as (

    select
        tokens.*,
        starts_with(tokens.token, '--') as is_flag,
        count(*) filter (where starts_with(tokens.token, '--')) over (
            partition by tokens.run_path order by tokens.position
        ) as flag_number

    from tokens

),

arguments as (

    select
        flags.run_path,
        flags.run_id,
        flags.flag_number,
        any_value(flags.token) filter (where flags.is_flag) as flag,
        list(flags.token order by flags.position) filter (where not flags.is_flag) as tokens

    from flags
    where flags.flag_number > 0
    group by all

),

named as (

    select
        arguments.run_path,
        arguments.run_id,
        arguments.flag_number,
        replace(regexp_extract(arguments.flag, '^--([^=]*)', 1), '-', '_') as key,
        case
            when contains(arguments.flag, '=') then regexp_extract(arguments.flag, '=(.*)$', 1)
            when arguments.tokens is null then 'true'
            when len(arguments.tokens) = 1 then arguments.tokens[1]
            else cast(to_json(arguments.tokens) as varchar)
        end as value

    from arguments

),

-- An evaluation script that updates a run leaves its own arguments there: only the trainer names
-- the run. The last occurrence of a flag wins, as in the trainer: the 4M Ft sample passes
-- --learning_rate twice and trained with the second.
trainer_arguments as (

    select
        named.run_path,
        named.key,
        named.value

    from named
    where named.run_path in (
        select own.run_path
        from named as own
        where own.key in ('exp_name', 'run_name') and own.value = own.run_id
    )
    qualify row_number() over (
        partition by named.run_path, named.key order by named.flag_number desc
    ) = 1

)

select * from trainer_arguments
