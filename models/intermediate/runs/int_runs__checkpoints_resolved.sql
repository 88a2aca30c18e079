with

runs as (

    select * from {{ ref('int_runs__classified') }}

),

config as (

    select * from {{ ref('int_runs__config_typed') }}

),

recipe_spellings as (

    select * from {{ ref('recipe_spellings') }}

),

run_name_seeds as (

    select * from {{ ref('run_name_seeds') }}

),

-- Every value source first, mapping after it: a recipe filled from the config is mapped too.
gathered as (

    select
        runs.run_path,
        runs.run_type,
        trim(coalesce(runs.ckpt_recipe_text, config.initial_checkpoint_recipe)) as ckpt_recipe_raw,
        runs.ckpt_params_text as ckpt_params,
        case
            when runs.ckpt_step_text is not null then 'run_id'
            when config.initial_checkpoint_steps is not null then 'config'
            when runs.run_type not in ('old', 'other', 'matched') then 'default'
        end as ckpt_step_source,
        case ckpt_step_source
            when 'run_id' then runs.ckpt_step_text
            when 'config' then config.initial_checkpoint_steps
            when 'default' then '{{ var("default_ckpt_step") }}'
        end as ckpt_step_text,
        runs.ckpt_seed_text as ckpt_seed_raw,
        config.model_path_slug,
        config.model_path_params

    from runs
    inner join config on runs.run_path = config.run_path

),

resolved as (

    select
        gathered.run_path,

        ----------  checkpoint
        gathered.ckpt_recipe_raw,
        coalesce(ckpt_spellings.recipe, gathered.ckpt_recipe_raw) as ckpt_recipe,
        ckpt_spellings.recipe is not null or gathered.ckpt_recipe_raw is null
            as is_known_ckpt_recipe,
        gathered.ckpt_params,
        gathered.ckpt_step_text,
        case
            when regexp_full_match(gathered.ckpt_step_text, '[0-9]+')
                then try_cast(gathered.ckpt_step_text as bigint)
        end as ckpt_step,
        gathered.ckpt_step_text = 'main' as ckpt_is_final,
        gathered.ckpt_step_source,
        gathered.ckpt_seed_raw,
        case
            when gathered.run_type not in ('old', 'other')
                then coalesce(run_name_seeds.ckpt_seed, '{{ var("default_ckpt_seed") }}')
        end as ckpt_seed,
        case
            when gathered.run_type in ('old', 'other') then null
            when gathered.ckpt_seed_raw is null then 'absent'
            when run_name_seeds.ckpt_seed is null then 'fallback'
            else 'direct'
        end as seed_resolution,

        ----------  check against the path of the model
        path_spellings.recipe as model_path_recipe,
        gathered.model_path_params

    from gathered
    left join recipe_spellings as ckpt_spellings
        on gathered.ckpt_recipe_raw = ckpt_spellings.alias
    left join recipe_spellings as path_spellings
        on gathered.model_path_slug = path_spellings.alias
    left join run_name_seeds
        on try_cast(gathered.ckpt_seed_raw as bigint) = run_name_seeds.run_name_seed

)

select * from resolved
