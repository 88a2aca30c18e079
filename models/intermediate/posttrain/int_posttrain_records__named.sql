{{ config(materialized = 'view') }}
{#- A name of the hub is no path: `stepfun-ai/step3` is no third step. -#}
{%- set model_path = "regexp_replace(config_model, '(?i)^([^/]+/)?step[-_]?\\d[^/]*$', '')" %}

with

records as (

    select
        * exclude (num_instances_text, processing_time_text),
        -- How a folder is called after its model, whole or without its organisation.
        [
            replace(lower(config_model), '/', '__'), replace(lower(config_model), '/', '_'),
            replace(lower(config_model), '/', '--'), replace(lower(config_model), '/', '-')
        ] as folder_names,
        split_part(lower(config_model), '/', -1) as short_name

    from {{ ref('stg_posttrain__records') }}

),

-- What follows the model's own name is its revision: `EleutherAI__pythia-160m` has none, and of a
-- model that is not known no name can be told from its revision.
revised as (

    select
        *,
        list_first(list_filter(
            list_append(folder_names, short_name),
            lambda name: starts_with(lower(folder), name || '__')
        )) as folder_name,
        case
            when not list_contains(folder_names, lower(folder))
                then nullif(substr(folder, len(folder_name) + 3), '')
        end as folder_revision_told

    from records

),

stepped as (

    select
        *,
        {{ checkpoint_step_in('config_revision') }} as revision_step,
        {{ checkpoint_step_in('config_model_path') }} as path_step,
        {{ checkpoint_step_in(model_path) }} as model_step,
        {{ checkpoint_step_in('directory') }} as folder_step

    from revised

),

named as (

    select
        * exclude (
            folder_names, short_name, folder_name, folder_revision_told, revision_step, path_step,
            model_step, folder_step
        ),

        ----------  model
        coalesce(config_model, config_model_path, folder) as model,
        config_model is not null or config_model_path is not null as is_model_known,
        config_model_path as model_path,
        coalesce(config_revision, folder_revision_told) as own_revision,
        coalesce(revision_step, path_step, model_step, folder_step) as own_step,
        case
            when revision_step is not null then 'revision'
            when path_step is not null then 'path'
            when model_step is not null then 'model'
            when folder_step is not null then 'folder'
        end as step_source,

        ----------  task
        split_part(task_name, ':', 1) as task,
        nullif(ltrim(substr(
            if(starts_with(alias, task_name || ':'), alias, task_name), len(task) + 1
        ), ':'), '') as task_variant

    from stepped

)

select * from named
