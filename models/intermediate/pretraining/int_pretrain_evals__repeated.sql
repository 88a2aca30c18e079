with

staged as (

    select * from {{ ref('stg_huggingface__evals') }}

),

evals as not materialized (

    select
        params,
        recipe_raw,
        seed_raw,
        step,
        task,
        _source_file,
        _row_number,
        _landed_at

    from staged
    where {{ is_current_revision('staged') }}

),

repeated_keys as (

    select
        evals.params,
        evals.recipe_raw,
        evals.seed_raw,
        evals.step,
        evals.task

    from evals
    group by all
    having count(*) > 1

),

-- Of rows with the same key the one that landed last counts, and of one landing the first.
repeated as (

    select evals.*
    from evals
    semi join repeated_keys
        on evals.params = repeated_keys.params
        and evals.recipe_raw = repeated_keys.recipe_raw
        and evals.seed_raw = repeated_keys.seed_raw
        and evals.step = repeated_keys.step
        and evals.task = repeated_keys.task
    qualify row_number() over (
        partition by evals.params, evals.recipe_raw, evals.seed_raw, evals.step, evals.task
        order by evals._landed_at desc, evals._source_file asc, evals._row_number asc
    ) > 1

)

select * from repeated
