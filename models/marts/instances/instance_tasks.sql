{{ config(materialized = 'view') }}

with

compared as (

    select * from {{ ref('int_instance_tasks__compared') }}

),

final as (

    select
        ----------  ids
        recipe,
        params,
        seed,
        step,
        task,
        tar_name,
        seed_number,
        member,

        ----------  hashes
        task_hash,
        model_hash,
        metrics_sha256,
        tarball_sha256,

        ----------  how it was evaluated
        evaluated_at,
        processing_time_s,

        ----------  as reported
        num_instances,
        primary_metric,
        primary_score,
        metrics as reported_metrics,
        {%- for metric in instance_accuracies() %}
        reported_{{ metric }},
        {%- endfor %}

        ----------  recomputed from the questions
        n_questions,
        n_per_token_questions,
        n_per_char_questions,
        n_per_byte_questions,
        n_margin_questions,
        n_uncond_questions,
        n_ties,
        n_labels_out_of_range,
        {%- for metric in instance_metrics() %}
        {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}

    from compared

)

select * from final
