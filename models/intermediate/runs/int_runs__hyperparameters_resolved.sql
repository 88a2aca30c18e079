with

runs as (

    select * from {{ ref('int_runs__classified') }}

),

config as (

    select * from {{ ref('int_runs__config_typed') }}

),

sizes as (

    select * from {{ ref('int_model_sizes__derived') }}

),

from_names as (

    select
        runs.run_path,
        runs.run_type,
        contains(runs.classified_name, '_Ft_') as is_full_finetune,
        {{ parse_run_timestamp('runs.timestamp_text') }} as started_at,
        -- LR1 of a DPO name is the rate of the SFT run that DPO started from, LR2 its own.
        coalesce(runs.lr_text, runs.lr2_text) as id_learning_rate_text,
        {{ parse_number('coalesce(runs.lr_text, runs.lr2_text)') }} as id_learning_rate,
        {{ parse_number('runs.lr1_text') }} as sft_learning_rate,
        case
            when contains(runs.classified_name, '_Ft_') then {{ var('full_finetune_epochs') }}
            else {{ parse_number('runs.ft_epochs_text') }}
        end as id_epochs,
        try_cast({{ parse_integer('runs.max_train_samples_text') }} as bigint) as id_samples,
        runs.reduce_loss_text

    from runs

),

nearest_sizes as (

    select
        config.run_path,
        sizes.params as model_size_params

    from config
    cross join sizes
    where config.model_size is not null
    qualify row_number() over (
        partition by config.run_path
        order by abs(sizes.params_numeric - config.model_size), sizes.params_numeric
    ) = 1

),

resolved as (

    select
        from_names.run_path,
        from_names.started_at,
        from_names.is_full_finetune,
        case
            when config.method = 'dpo' or from_names.run_type = 'dpo' then 'dpo'
            when config.method is not null or from_names.run_type != 'other' then 'finetune'
        end as method,
        config.method as config_method,

        ----------  learning rates
        coalesce(config.learning_rate, from_names.id_learning_rate) as learning_rate,
        case
            when config.learning_rate is not null then config.learning_rate_source
            when from_names.id_learning_rate is not null then 'run_id'
        end as learning_rate_source,
        from_names.id_learning_rate,
        from_names.sft_learning_rate,

        ----------  job
        config.seed as ft_seed,
        case when config.seed is not null then config.seed_source end as ft_seed_source,
        coalesce(
            from_names.id_epochs, config.num_train_epochs, {{ var('default_ft_epochs') }}
        ) as ft_epochs,
        case
            when from_names.id_epochs is not null then 'run_id'
            when config.num_train_epochs is not null then config.num_train_epochs_source
            else 'default'
        end as ft_epochs_source,
        coalesce(from_names.id_samples, config.max_train_samples) as max_train_samples,
        case
            when from_names.id_samples is not null then 'run_id'
            when config.max_train_samples is not null then config.max_train_samples_source
        end as max_train_samples_source,
        coalesce(config.reduce_loss, from_names.reduce_loss_text) as reduce_loss,
        case
            when config.reduce_loss is not null then config.reduce_loss_source
            when from_names.reduce_loss_text is not null then 'run_id'
        end as reduce_loss_source,

        ----------  model
        config.model_size,
        nearest_sizes.model_size_params,
        config.pretrain_steps as config_pretrain_steps

    from from_names
    inner join config on from_names.run_path = config.run_path
    left join nearest_sizes on from_names.run_path = nearest_sizes.run_path

)

select * from resolved
