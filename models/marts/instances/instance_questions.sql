{{ config(materialized = 'view') }}

with

named as (

    select * from {{ ref('int_instance_questions__named') }}

),

final as (

    select
        ----------  ids
        recipe,
        params,
        seed,
        step,
        task,
        doc_id,
        native_id,
        native_id_kind,

        ----------  answer
        label,
        label_text,
        is_label_in_range,
        cast(correct_choice as integer) as correct_choice,
        cast(n_choices as integer) as n_choices,
        {%- for form in ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] %}
        cast(predicted_index_{{ form }} as integer) as predicted_index_{{ form }},
        {%- endfor %}
        coalesce(is_tie, false) as is_tie,

        ----------  metrics
        {%- for metric in instance_metrics() %}
        cast({{ metric }} as double) as {{ metric }},
        {%- endfor %}
        extra

    from named

)

select * from final
