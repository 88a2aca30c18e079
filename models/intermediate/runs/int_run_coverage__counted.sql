{#- (item, when a run has it, which runs should have it). DPO runs count no tokens by nature. -#}
{%- set items = [
    ('run_type', "classified.run_type not in ('old', 'other')", 'true'),
    ('ckpt_recipe', 'checkpoints.ckpt_recipe is not null and checkpoints.is_known_ckpt_recipe',
     'true'),
    ('ckpt_params', 'sizes.params is not null', 'true'),
    ('ckpt_step', 'checkpoints.ckpt_step is not null or checkpoints.ckpt_is_final', 'true'),
    ('ckpt_seed', "checkpoints.seed_resolution in ('direct', 'absent')", 'true'),
    ('config', 'configs.run_path is not null', 'true'),
    ('learning_rate', 'hyperparameters.learning_rate is not null', 'true'),
    ('ft_tokens', 'nominal.ft_tokens is not null', 'true'),
    ('ft_tokens_real', 'counted.ft_tokens_real is not null',
     "coalesce(hyperparameters.method, 'finetune') != 'dpo'"),
    ('history', 'history.n_history_rows > 0', 'true'),
    ('evaluations', 'matches.has_evals', 'true'),
    ('match', 'matches.pt_step is not null', 'true'),
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

sizes as (

    select * from {{ ref('model_size_registry') }}

),

had as (

    select
        classified.run_path,
        {%- for item, condition, applies in items %}
        case when {{ applies }} then coalesce({{ condition }}, false) end
            as has_{{ item }}{{ ',' if not loop.last }}
        {%- endfor %}

    from classified
    inner join checkpoints on classified.run_path = checkpoints.run_path
    inner join hyperparameters on classified.run_path = hyperparameters.run_path
    inner join nominal on classified.run_path = nominal.run_path
    inner join counted on classified.run_path = counted.run_path
    left join sizes on checkpoints.ckpt_params = sizes.params
    left join history on classified.run_path = history.run_path
    inner join matches on classified.run_path = matches.run_path
    left join configs on classified.run_path = configs.run_path

),

counts as (

    {%- for item, _, _ in items %}
    select
        '{{ item }}' as item,
        count(had.has_{{ item }}) as n_runs,
        count(*) filter (where had.has_{{ item }}) as n_with,
        min(had.run_path) filter (where not had.has_{{ item }}) as example_without

    from had
    having count(*) > 0
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from counts
