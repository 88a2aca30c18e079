{{ config(materialized = 'view') }}

with

named as (

    select * from {{ ref('int_posttrain_questions__named') }}

),

final as (

    select
        ----------  ids
        predictions_id,
        predictions_sha256,
        model,
        revision,
        checkpoint_step,
        is_model_known,
        task,
        task_name,
        task_variant,
        doc_id,
        native_id,
        native_id_kind,
        evaluation_id,
        is_newest,
        model_hash,
        task_hash,

        ----------  answer
        label,
        label_text,
        case when n_choices is not null then is_label_in_range end as is_label_in_range,
        case when n_choices is not null then cast(correct_choice as integer) end
            as correct_choice,
        cast(n_choices as integer) as n_choices,
        {%- for form in ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] %}
        cast(predicted_index_{{ form }} as integer) as predicted_index_{{ form }},
        {%- endfor %}
        case when n_choices is not null then coalesce(is_tie, false) end as is_tie,

        ----------  metrics
        {%- for metric in instance_metrics() %}
        cast({{ metric }} as double) as {{ metric }},
        {%- endfor %}
        cast(len(outputs) as integer) as n_outputs,
        outputs,
        extra

    from named

)

select * from final
