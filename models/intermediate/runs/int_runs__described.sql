with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

machines as (

    select * from {{ ref('stg_wandb__run_machines') }}

),

config as (

    select * from {{ ref('int_runs__config_typed') }}

),

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

sizes as (

    select * from {{ ref('int_model_sizes__derived') }}

),

described as (

    select
        runs.run_path,
        runs.n_sessions,
        runs.run_group,
        runs.job_type,
        runs.sweep_name,
        runs.notes,
        runs.description,
        -- Up to 2026-11 the address landed like any other path, and says nothing.
        case when not contains(runs.url, '/anon-') then runs.url end as url,
        coalesce(runs.git_commit, machines.git_commit) as git_commit,
        machines.gpu_type,
        machines.gpu_count,

        -- By what every trainer is told: a config that an evaluation has overwritten lacks all of
        -- it, and may still hold hundreds of other keys (250901-155734).
        {%- set told = ['learning_rate_source', 'seed_source', 'num_train_epochs_source'] %}
        case
            when 'config' in (config.{{ told | join(', config.') }}) then 'own'
            when 'args' in (config.{{ told | join(', config.') }}) then 'recovered from args'
            else 'missing'
        end as config_status,

        -- `main` is the last published step of the seed; while those have not landed, that of the
        -- size, for the seed that nobody cut short.
        coalesce(
            matches.ckpt_step_resolved,
            case
                when matches.ckpt_is_final
                    and matches.ckpt_seed = '{{ var("default_ckpt_seed") }}'
                    then sizes.final_step
            end
        ) as ckpt_step_resolved

    from runs
    inner join config on runs.run_path = config.run_path
    inner join matches on runs.run_path = matches.run_path
    left join machines on runs.run_path = machines.run_path
    left join sizes on matches.ckpt_params = sizes.params

)

select * from described
