with

staged as (

    select * from {{ ref('stg_huggingface__evals') }}

),

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

current_rows as not materialized (

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

-- By a hash, which takes a fifth of the time that five columns do; what shares one by chance is
-- told apart below.
evals as not materialized (

    select
        current_rows.*,
        names.recipe,
        names.seed,
        hash(
            names.recipe, current_rows.params, names.seed, current_rows.step, current_rows.task
        ) as key_hash

    from current_rows
    inner join names
        on current_rows.params = names.params
        and current_rows.recipe_raw = names.recipe_raw
        and current_rows.seed_raw = names.seed_raw

),

repeated_hashes as (

    select evals.key_hash
    from evals
    group by all
    having count(*) > 1

),

-- Of rows with the same key the one that landed last counts, and of one landing the first.
repeated as (

    select evals.* exclude (recipe, seed, key_hash, _landed_at)
    from evals
    semi join repeated_hashes on evals.key_hash = repeated_hashes.key_hash
    qualify row_number() over (
        partition by evals.recipe, evals.params, evals.seed, evals.step, evals.task
        order by evals._landed_at desc, evals._source_file asc, evals._row_number asc
    ) > 1

)

select * from repeated
