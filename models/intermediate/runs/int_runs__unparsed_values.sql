{{ config(materialized = 'view') }}

{%- set name_numbers = [
    'ft_tokens_per_epoch', 'ft_epochs', 'ft_tokens', 'lr', 'lr1', 'lr2', 'max_train_samples',
] %}

with

runs as (

    select * from {{ ref('int_runs__classified') }}

),

checkpoints as (

    select * from {{ ref('int_runs__checkpoints_resolved') }}

),

resolved as (

    select * from {{ ref('int_runs__config_resolved') }}

),

name_values as (

    {%- for field in name_numbers %}
    select
        runs.run_path,
        'run name' as source,
        '{{ field }}' as field,
        runs.{{ field }}_text as value
    from runs
    where
        runs.{{ field }}_text is not null
        and {{ parse_number('runs.' ~ field ~ '_text') }} is null
    union all
    {%- endfor %}
    select
        runs.run_path,
        'run name' as source,
        'timestamp' as field,
        runs.timestamp_text as value
    from runs
    where
        runs.timestamp_text is not null
        and {{ parse_run_timestamp('runs.timestamp_text') }} is null
    union all
    select
        checkpoints.run_path,
        checkpoints.ckpt_step_source as source,
        'ckpt_step' as field,
        checkpoints.ckpt_step_text as value
    from checkpoints
    where
        checkpoints.ckpt_step is null
        and not checkpoints.ckpt_is_final

),

config_values as (

    {%- for key, type, _ in core_config_keys() if type != 'text' %}
    select
        resolved.run_path,
        resolved.source,
        resolved.key as field,
        resolved.value
    from resolved
    where
        resolved.key = '{{ key }}'
        {%- if type == 'boolean' %}
        and try_cast(resolved.value as boolean) is null
        {%- elif type == 'integer' %}
        and try_cast({{ parse_integer('resolved.value') }} as bigint) is null
        {%- else %}
        and {{ parse_number('resolved.value') }} is null
        {%- endif %}
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}

),

unparsed as (

    select * from name_values
    union all
    select * from config_values

)

select * from unparsed
