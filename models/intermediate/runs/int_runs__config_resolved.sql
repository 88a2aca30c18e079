{%- set hydrated = [] -%}
{%- set core = [] -%}
{%- for key, type, is_hydrated in core_config_keys() -%}
    {%- do core.append(key) -%}
    {%- if is_hydrated -%}{%- do hydrated.append(key) -%}{%- endif -%}
{%- endfor -%}

with

config_values as (

    select * from {{ ref('int_run_configs__flattened') }}
    where key in {{ sql_list(core + ['wandb_config']) }}

),

arguments as (

    select * from {{ ref('int_runs__arguments_parsed') }}
    where key in {{ sql_list(hydrated + ['wandb_config']) }}

),

candidates as (

    select
        config_values.run_path,
        config_values.key,
        config_values.value,
        'config' as source
    from config_values
    union all
    select
        arguments.run_path,
        arguments.key,
        arguments.value,
        'args' as source
    from arguments

),

-- wandb_config is itself a list `key=value,key=value`; it counts as the source that carried it.
nested as (

    select
        candidates.run_path,
        unnest(string_split(candidates.value, ',')) as assignment,
        candidates.source

    from candidates
    where candidates.key = 'wandb_config'

),

all_candidates as (

    select
        candidates.*,
        1 as depth
    from candidates
    where candidates.key != 'wandb_config'
    union all
    select
        nested.run_path,
        trim(split_part(nested.assignment, '=', 1)) as key,
        regexp_extract(nested.assignment, '=(.*)$', 1) as value,
        nested.source,
        2 as depth

    from nested
    where trim(split_part(nested.assignment, '=', 1)) in {{ sql_list(hydrated) }}

),

-- Config before arguments, a value of its own before one inside wandb_config; a missing value
-- (null, blank, N/A) never wins over a present one.
resolved as (

    select
        all_candidates.run_path,
        all_candidates.key,
        all_candidates.value,
        all_candidates.source

    from all_candidates
    where {{ present('all_candidates.value') }} is not null
    qualify row_number() over (
        partition by all_candidates.run_path, all_candidates.key
        order by all_candidates.source = 'config' desc, all_candidates.depth
    ) = 1

)

select * from resolved
