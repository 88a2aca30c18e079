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
        runs.run_type = 'matched' as is_matched,
        trim(coalesce(runs.ckpt_recipe_text, config.initial_checkpoint_recipe)) as ckpt_recipe_raw,
        runs.ckpt_params_text as ckpt_params,
        coalesce(runs.ckpt_step_text, config.initial_checkpoint_steps) as named_step,
        runs.ckpt_step_text,
        runs.ckpt_seed_text as ckpt_seed_raw,
        trim(runs.comparison_recipe_text) as comparison_recipe_raw,
        runs.comparison_params_text as comparison_params,
        runs.comparison_metric_text as comparison_metric_raw,
        config.model_path_slug,
        config.model_path_params

    from runs
    inner join config on runs.run_path = config.run_path

),

with_defaults as (

    select
        gathered.*,
        case
            when gathered.named_step is not null then gathered.named_step
            when gathered.run_type not in ('old', 'other', 'matched')
                then '{{ var("default_ckpt_step") }}'
        end as step_text,
        case
            when gathered.ckpt_step_text is not null then 'run_id'
            when gathered.named_step is not null then 'config'
            when gathered.run_type not in ('old', 'other', 'matched') then 'default'
        end as ckpt_step_source,
        case
            when gathered.is_matched then coalesce(
                gathered.comparison_recipe_raw, '{{ var("default_comparison_recipe") }}'
            )
        end as comparison_recipe_text,
        case
            when gathered.is_matched then coalesce(
                gathered.comparison_metric_raw, '{{ var("default_comparison_metric") }}'
            )
        end as comparison_set,
        case
            when gathered.comparison_recipe_raw is not null then 'run_id'
            when gathered.is_matched then 'default'
        end as comparison_recipe_source,
        case
            when gathered.comparison_metric_raw is not null then 'run_id'
            when gathered.is_matched then 'default'
        end as comparison_metric_source

    from gathered

),

resolved as (

    select
        with_defaults.run_path,

        ----------  checkpoint
        with_defaults.ckpt_recipe_raw,
        coalesce(ckpt_spellings.recipe, with_defaults.ckpt_recipe_raw) as ckpt_recipe,
        ckpt_spellings.recipe is not null or with_defaults.ckpt_recipe_raw is null
            as is_known_ckpt_recipe,
        with_defaults.ckpt_params,
        with_defaults.step_text as ckpt_step_text,
        case
            when regexp_full_match(with_defaults.step_text, '[0-9]+')
                then try_cast(with_defaults.step_text as bigint)
        end as ckpt_step,
        with_defaults.step_text = 'main' as ckpt_is_final,
        with_defaults.ckpt_step_source,
        with_defaults.ckpt_seed_raw,
        case
            when with_defaults.run_type not in ('old', 'other')
                then coalesce(run_name_seeds.ckpt_seed, '{{ var("default_ckpt_seed") }}')
        end as ckpt_seed,
        case
            when with_defaults.run_type in ('old', 'other') then null
            when with_defaults.ckpt_seed_raw is null then 'absent'
            when run_name_seeds.ckpt_seed is null then 'fallback'
            else 'direct'
        end as seed_resolution,

        ----------  comparison model
        with_defaults.comparison_recipe_raw,
        with_defaults.comparison_recipe_source,
        coalesce(
            comparison_spellings.recipe, with_defaults.comparison_recipe_text
        ) as comparison_recipe,
        comparison_spellings.recipe is not null or with_defaults.comparison_recipe_text is null
            as is_known_comparison_recipe,
        with_defaults.comparison_params,
        with_defaults.comparison_metric_raw,
        with_defaults.comparison_metric_source,
        case
            when ends_with(with_defaults.comparison_set, '-valppl')
                then with_defaults.comparison_set
            {%- for alias, perplexity_set in var('comparison_metric_aliases').items() %}
            when with_defaults.comparison_set = '{{ alias }}' then '{{ perplexity_set }}-valppl'
            {%- endfor %}
            else with_defaults.comparison_set || '-valppl'
        end as comparison_metric,

        ----------  check against the path of the model
        path_spellings.recipe as model_path_recipe,
        with_defaults.model_path_params

    from with_defaults
    left join recipe_spellings as ckpt_spellings
        on with_defaults.ckpt_recipe_raw = ckpt_spellings.alias
    left join recipe_spellings as comparison_spellings
        on with_defaults.comparison_recipe_text = comparison_spellings.alias
    left join recipe_spellings as path_spellings
        on with_defaults.model_path_slug = path_spellings.alias
    left join run_name_seeds
        on try_cast(with_defaults.ckpt_seed_raw as bigint) = run_name_seeds.run_name_seed

)

select * from resolved
