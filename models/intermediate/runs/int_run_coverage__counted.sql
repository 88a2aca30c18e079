{#- What each run has of what it should have, counted. DPO runs count no tokens by nature. -#}
{%- set items = [
    ('run_type', "classified.run_type not in ('old', 'other')"),
    ('ckpt_recipe', 'checkpoints.ckpt_recipe is not null and checkpoints.is_known_ckpt_recipe'),
    ('ckpt_params', 'sizes.params is not null'),
    ('ckpt_step', 'checkpoints.ckpt_step is not null or checkpoints.ckpt_is_final'),
    ('ckpt_seed', "checkpoints.seed_resolution in ('direct', 'absent')"),
    ('config', 'configs.run_path is not null'),
    ('learning_rate', 'hyperparameters.learning_rate is not null'),
    ('ft_tokens', 'nominal.ft_tokens is not null'),
    ('ft_tokens_real', "if(hyperparameters.method = 'dpo', null, counted.ft_tokens_real is not null)"),
    ('history', 'history.n_history_rows > 0'),
    ('evaluations', 'evaluated.run_path is not null'),
    ('match', 'matches.pt_step is not null'),
] %}

with

classified as (

    select * from {{ ref('int_runs__classified') }}

),

checkpoints as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

hyperparameters as (

    select * from {{ ref('int_runs__hyperparameters_resolved') }}

),

nominal as (

    select * from {{ ref('int_runs__tokens_nominal') }}

),

counted as (

    select * from {{ ref('int_runs__tokens_counted') }}

),

history as (

    select * from {{ ref('int_runs__history_summarised') }}

),

matches as (

    select * from {{ ref('int_matches__checkpoints_joined') }}

),

configs as (

    select distinct run_path from {{ ref('int_run_configs__flattened') }}

),

evaluated as (

    select distinct run_path from {{ ref('int_evals__parsed') }}
    where reported_value is not null

),

sizes as (

    select * from {{ ref('model_size_registry') }}

),

had as (

    select
        classified.run_path,
        {%- for item, condition in items %}
        coalesce({{ condition }}, {{ 'null' if item == 'ft_tokens_real' else 'false' }})
            as has_{{ item }}{{ ',' if not loop.last }}
        {%- endfor %}

    from classified
    inner join checkpoints on classified.run_path = checkpoints.run_path
    inner join hyperparameters on classified.run_path = hyperparameters.run_path
    inner join nominal on classified.run_path = nominal.run_path
    inner join counted on classified.run_path = counted.run_path
    left join sizes on checkpoints.ckpt_params = sizes.params
    left join history on classified.run_path = history.run_path
    left join matches on classified.run_path = matches.run_path
    left join configs on classified.run_path = configs.run_path
    left join evaluated on classified.run_path = evaluated.run_path

),

counts as (

    {%- for item, _ in items %}
    select
        '{{ item }}' as item,
        count(had.has_{{ item }}) as n_runs,
        count(*) filter (where had.has_{{ item }}) as n_with,
        min(had.run_path) filter (where not had.has_{{ item }}) as example_without

    from had
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from counts
