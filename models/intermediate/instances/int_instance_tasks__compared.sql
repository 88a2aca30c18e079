with

tasks as (

    select * from {{ ref('stg_instances__tasks') }}

),

recomputed as (

    select * from {{ ref('int_instance_tasks__recomputed') }}

),

names as (

    select * from {{ ref('int_instance_names__resolved') }}

),

registry as (

    select * from {{ ref('task_registry') }}

),

evals as (

    select * from {{ ref('int_pretrain_evals__identified') }}

),

named as (

    select
        names.recipe,
        names.seed,
        names.n_known_names,
        tasks.*

    from tasks
    inner join names
        on tasks.tar_name = names.tar_name
        and tasks.params = names.params
        and tasks.seed_number = names.seed_number

),

compared as (

    select
        named.recipe,
        named.params,
        named.seed,
        named.step,
        named.task,
        named.tar_name,
        named.seed_number,
        named.member,
        named._batch_id,
        named.n_asked_tasks,
        named.n_known_names,

        ----------  hashes
        named.task_hash,
        named.model_hash,
        named.prediction_task_hash,
        named.prediction_model_hash,
        named.n_prediction_hashes,
        named.metrics_sha256,
        named.tarball_sha256,

        ----------  how it was evaluated
        named.evaluated_at,
        named.processing_time_s,
        named.revision_step,

        ----------  as reported
        named.num_instances,
        named.primary_metric,
        named.primary_score,
        named.metrics,
        {%- for metric in instance_accuracies() %}
        named.{{ metric }} as reported_{{ metric }},
        {%- endfor %}

        ----------  as expected
        registry.primary_metric as expected_primary_metric,
        -- An evaluation may be limited to the first questions of a task; the release is not.
        case
            when registry.n_instances is not null
                then least(registry.n_instances, named.instance_limit)
        end as expected_instances,
        evals.primary_metric as aggregate_primary_metric,

        ----------  recomputed
        recomputed.* exclude (tar_name, params, seed_number, step, task, _source_file)

    from named
    left join recomputed
        on named.tar_name = recomputed.tar_name
        and named.params = recomputed.params
        and named.seed_number = recomputed.seed_number
        and named.step = recomputed.step
        and named.task = recomputed.task
    left join registry on named.task = registry.task
    left join evals
        on named.recipe = evals.recipe
        and named.params = evals.params
        and named.seed = evals.seed
        and named.step = evals.step
        and named.task = evals.task

)

select * from compared
