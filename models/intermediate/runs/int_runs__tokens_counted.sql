with

runs as (

    select * from {{ ref('stg_wandb__runs') }}

),

nominal as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

hyperparameters as (

    select * from {{ ref('int_runs__hyperparameters_resolved') }}

),

history as (

    select * from {{ ref('int_runs__history_summarised') }}

),

gathered as (

    select
        runs.run_path,
        nominal.ft_tokens,
        history.last_total_tokens as history_tokens,
        try_cast(
            {{ parse_integer('runs.summary_total_tokens_text') }} as bigint
        ) as summary_tokens,
        -- A finished full fine-tune without any counter is taken to have seen all its tokens; one
        -- that crashed is not.
        case
            when hyperparameters.is_full_finetune and runs.state = 'finished'
                then nominal.ft_tokens
        end as assumed_tokens

    from runs
    inner join nominal on runs.run_path = nominal.run_path
    inner join hyperparameters on runs.run_path = hyperparameters.run_path
    left join history on runs.run_path = history.run_path

),

counted as (

    select
        gathered.run_path,
        coalesce(
            gathered.history_tokens, gathered.summary_tokens, gathered.assumed_tokens
        ) as ft_tokens_real,
        case
            when gathered.history_tokens is not null then 'history'
            when gathered.summary_tokens is not null then 'summary'
            when gathered.assumed_tokens is not null then 'assumed_full'
        end as ft_tokens_real_source,
        gathered.ft_tokens

    from gathered

),

compared as (

    select
        counted.run_path,
        counted.ft_tokens_real,
        counted.ft_tokens_real_source,
        abs(cast(counted.ft_tokens as double) - counted.ft_tokens_real) * 100
            / nullif(counted.ft_tokens, 0) as ft_tokens_diff_pct,
        (counted.ft_tokens_real - cast(counted.ft_tokens as double)) * 100
            / nullif(counted.ft_tokens, 0) as ft_tokens_vs_nominal_pct,
        case
            when counted.ft_tokens_real / nullif(counted.ft_tokens, 0) between 0.8 and 1.2
                then 'excellent'
            when counted.ft_tokens_real / nullif(counted.ft_tokens, 0) between 0.5 and 2.0
                then 'good'
            when counted.ft_tokens_real is not null and counted.ft_tokens > 0 then 'poor'
        end as ft_tokens_agreement

    from counted

)

select * from compared
