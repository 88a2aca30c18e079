with

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

nominal as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

counted as (

    select * from {{ ref('int_runs__tokens_counted') }}

),

sizes as (

    select * from {{ ref('int_model_sizes__derived') }}

),

-- Never `total_compute_est` of the config: it already has the pretraining in it, and counts 2048
-- tokens for each sequence, 2.9 times what was trained (spec wandb_source, section 4).
finetuned as (

    select
        matches.run_path,
        matches.pt_tokens,
        matches.pt_compute,
        nominal.ft_tokens,
        counted.ft_tokens_real,
        6 * cast(sizes.n_params as double) * nominal.ft_tokens as ft_compute,
        6 * cast(sizes.n_params as double) * counted.ft_tokens_real as ft_compute_real

    from matches
    inner join nominal on matches.run_path = nominal.run_path
    inner join counted on matches.run_path = counted.run_path
    left join sizes on matches.ckpt_params = sizes.params

),

compute_counted as (

    select
        finetuned.run_path,
        finetuned.pt_tokens,
        finetuned.ft_compute,
        finetuned.ft_compute_real,
        finetuned.pt_tokens + finetuned.ft_tokens as pt_ft_tokens,
        finetuned.pt_tokens + finetuned.ft_tokens_real as pt_ft_tokens_real,
        finetuned.pt_compute + finetuned.ft_compute as pt_ft_compute,
        finetuned.pt_compute + finetuned.ft_compute_real as pt_ft_compute_real

    from finetuned

)

select * from compute_counted
