{#-
    (name, reported, recomputed, how far apart the two may be). What is reported has to be
    recomputable; where nothing is reported there is no verdict. Each check has its data test
    `reconciles` on the mart.
-#}
{%- set checks = [
    ('line_count', 'tasks.num_instances', 'coalesce(tasks.n_questions, 0)', '0'),
    ('question_count', 'tasks.expected_instances', 'coalesce(tasks.n_questions, 0)', '0'),
    ('repeated_questions', '0', 'coalesce(tasks.n_repeated_questions, 0)', '0'),
    ('labels_in_range', '0', 'coalesce(tasks.n_labels_out_of_range, 0)', '0'),
    ('fewest_choices', 'if(tasks.n_questions > 0, 2, null)', 'least(tasks.min_choices, 2)', '0'),
    ('identities', 'tasks.no_identity_error', 'tasks.max_identity_error', '1e-6'),
    ('labelled_choice', 'tasks.no_corr_error', 'tasks.max_corr_error', '1e-6'),
    (
        'correct_choice',
        'if(tasks.n_stored_correct_choice > 0, 0, null)',
        'tasks.n_other_correct_choice',
        '0',
    ),
    (
        'hashes',
        'if(coalesce(tasks.prediction_task_hash, tasks.prediction_model_hash) is null, null, 1)',
        'tasks.has_equal_hashes',
        '0',
    ),
    ('revision_step', 'tasks.revision_step', 'tasks.step', '0'),
    ('primary_score', 'tasks.primary_score', 'tasks.reported_primary_metric', '1e-12'),
    ('aggregate_primary_metric', 'tasks.aggregate_primary_metric', 'tasks.primary_score', '1e-9'),
] -%}
{%- for form in ['raw', 'per_token', 'per_char', 'per_byte', 'uncond'] -%}
    {%- do checks.append(
        ('mean_acc_' ~ form, 'tasks.reported_acc_' ~ form, 'tasks.acc_' ~ form, '1e-9')
    ) -%}
    {%- do checks.append((
        'predicted_index_' ~ form,
        'if(tasks.n_stored_index_' ~ form ~ ' > 0, 0, null)',
        'tasks.n_other_index_' ~ form,
        '0',
    )) -%}
{%- endfor %}
{#- Of each number of a question the evaluator reports the mean. Not per byte: that was computed in
    several ways (spec instances, section 4.3). -#}
{%- set means = ['sum_logits_corr', 'logits_per_token_corr', 'logits_per_char_corr'] -%}
{%- for metric in means -%}
    {%- do checks.append((
        'mean_' ~ metric,
        'tasks.reported_' ~ metric,
        'tasks.' ~ metric,
        '1e-9 * greatest(abs(tasks.reported_' ~ metric ~ '), 1)',
    )) -%}
{%- endfor %}

with

tasks as (

    select
        *,
        if(max_identity_error is not null, 0, null) as no_identity_error,
        if(max_corr_error is not null, 0, null) as no_corr_error,
        {%- for metric in means %}
        try_cast(metrics ->> '$.{{ metric }}' as double) as reported_{{ metric }},
        {%- endfor %}
        try_cast(metrics ->> ('$."' || primary_metric || '"') as double) as reported_primary_metric,
        cast(
            coalesce(task_hash = prediction_task_hash, true)
            and coalesce(model_hash = prediction_model_hash, true)
            and n_prediction_hashes = 1 as integer
        ) as has_equal_hashes

    from {{ ref('int_instance_tasks__compared') }}

),

verdicts as (

    select
        tasks.recipe,
        tasks.params,
        tasks.seed,
        tasks.step,
        tasks.task,
        {{ verdicts(checks) }}

    from tasks

),

by_task as (

    select
        verdicts.recipe,
        verdicts.params,
        verdicts.seed,
        verdicts.step,
        verdicts.task,
        verdicts.check_name,
        verdicts.reported,
        verdicts.recomputed,
        abs(verdicts.reported - verdicts.recomputed) as abs_diff,
        verdicts.tolerance,
        {{ is_reconciled() }} as is_ok

    from verdicts

)

select * from by_task
