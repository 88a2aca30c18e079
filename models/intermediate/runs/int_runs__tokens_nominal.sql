with

runs as (

    select * from {{ ref('int_runs__classified') }}

),

hyperparameters as (

    select * from {{ ref('int_runs__hyperparameters_resolved') }}

),

-- A full fine-tune (`_Ft_` in the name) is two epochs over the whole mixture, whatever its type.
named as (

    select
        runs.run_path,
        hyperparameters.is_full_finetune,
        hyperparameters.ft_epochs,
        hyperparameters.max_train_samples,
        case
            when hyperparameters.is_full_finetune
                then {{ var('full_finetune_tokens_per_epoch') }}
            else try_cast({{ parse_integer('runs.ft_tokens_per_epoch_text') }} as bigint)
        end as ft_tokens_per_epoch,
        case
            when not hyperparameters.is_full_finetune
                then try_cast({{ parse_integer('runs.ft_tokens_text') }} as bigint)
        end as named_tokens

    from runs
    inner join hyperparameters on runs.run_path = hyperparameters.run_path

),

nominal as (

    select
        named.run_path,
        named.ft_tokens_per_epoch,
        coalesce(
            named.named_tokens,
            -- Epochs are whole in every name; then the product is exact, however large.
            case
                when named.ft_epochs = round(named.ft_epochs)
                    then try_cast(try(
                        cast(named.ft_tokens_per_epoch as hugeint)
                        * try_cast(named.ft_epochs as hugeint)
                    ) as bigint)
                else try_cast(round(named.ft_tokens_per_epoch * named.ft_epochs) as bigint)
            end
        ) as ft_tokens,
        -- What the trainer's counter loses at a restart: whole epochs of this many tokens. Runs
        -- over the full data have the mixture's; a sampled run without tokens in its name cannot
        -- be repaired.
        coalesce(
            named.ft_tokens_per_epoch,
            case
                when named.max_train_samples is null and named.named_tokens is null
                    then {{ var('full_finetune_tokens_per_epoch') }}
            end
        ) as counter_tokens_per_epoch

    from named

)

select * from nominal
