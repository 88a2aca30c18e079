{#- (name, reported, recomputed, how far apart the two may be) -#}
{%- set checks = [
    ('line_count', 'tasks.num_instances', 'coalesce(tasks.n_questions, 0)', '0'),
    ('question_count', 'tasks.expected_instances', 'coalesce(tasks.n_questions, 0)', '0'),
    ('repeated_questions', '0', 'tasks.n_repeated_questions', '0'),
    ('identities', '0', 'tasks.max_identity_error', '1e-6'),
    ('labelled_choice', '0', 'tasks.max_corr_error', '1e-6'),
    ('labels_in_range', '0', 'tasks.n_labels_out_of_range', '0'),
    ('fewest_choices', '2', 'least(tasks.min_choices, 2)', '0'),
    ('revision_step', 'tasks.revision_step', 'tasks.step', '0'),
    ('aggregate_primary_metric', 'tasks.aggregate_primary_metric', 'tasks.primary_score', '1e-9'),
] -%}
{%- for form in ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] -%}
    {%- do checks.append(
        ('mean_acc_' ~ form, 'tasks.reported_acc_' ~ form, 'tasks.acc_' ~ form, '1e-9')
    ) -%}
    {%- do checks.append((
        'predicted_index_' ~ form,
        'case when tasks.n_stored_index_' ~ form ~ ' > 0 then 0 end',
        'tasks.n_other_index_' ~ form,
        '0'
    )) -%}
{%- endfor %}

with

tasks as (

    select
        *,
        case primary_metric
            {%- for metric in instance_accuracies() %}
            when '{{ metric }}' then reported_{{ metric }}
            {%- endfor %}
        end as reported_primary_metric,
        cast(
            task_hash = prediction_task_hash
            and model_hash = prediction_model_hash
            and n_prediction_hashes = 1 as integer
        ) as has_equal_hashes

    from {{ ref('int_instance_tasks__compared') }}

),

-- A check of something that is not there has a null, and no verdict.
verdicts as (

    select
        tasks.recipe,
        tasks.params,
        tasks.seed,
        tasks.step,
        tasks.task,
        unnest([
            {%- for name, reported, recomputed, tolerance in checks + [
                ('primary_score', 'tasks.primary_score', 'tasks.reported_primary_metric', '1e-12'),
                ('hashes', '1', 'coalesce(tasks.has_equal_hashes, 0)', '0'),
            ] %}
            struct_pack(
                check_name := '{{ name }}',
                reported := cast({{ reported }} as double),
                recomputed := cast({{ recomputed }} as double),
                tolerance := cast({{ tolerance }} as double)
            ){{ ',' if not loop.last }}
            {%- endfor %}
        ]) as verdict

    from tasks

),

by_task as (

    select
        verdicts.recipe,
        verdicts.params,
        verdicts.seed,
        verdicts.step,
        verdicts.task,
        verdicts.verdict.check_name,
        verdicts.verdict.reported,
        verdicts.verdict.recomputed,
        abs(verdicts.verdict.reported - verdicts.verdict.recomputed) as abs_diff,
        verdicts.verdict.tolerance,
        -- Null, and no verdict, where one of the two is missing.
        abs_diff <= verdicts.verdict.tolerance as is_ok

    from verdicts

)

select * from by_task
