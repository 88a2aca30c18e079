{#-
    (name, reported, recomputed, how far apart the two may be); of texts only their number. Values
    that the evaluator did not store have no error, and it is not reported as 0.
-#}
{%- set checks = [
    ('line_count', 'evaluations.num_instances', 'recomputed.n_questions', '0'),
    (
        'identities', 'if(recomputed.identity_error is not null, 0, null)',
        'recomputed.identity_error', '1e-6'
    ),
    (
        'labelled_choice', 'if(recomputed.corr_error is not null, 0, null)',
        'recomputed.corr_error', '1e-6'
    ),
] -%}
{%- for metric in instance_accuracies() -%}
    {%- do checks.append((
        'mean_' ~ metric,
        'if(recomputed.' ~ metric ~ ' is not null, '
            ~ parse_metric("(evaluations.metrics ->> '$." ~ metric ~ "')") ~ ', null)',
        'recomputed.' ~ metric,
        '1e-9'
    )) -%}
{%- endfor %}

with

questions as (

    select * from {{ ref('int_instance_questions__scored') }}
    where predictions_sha256 is not null

),

predictions as (

    select * from {{ ref('int_posttrain_predictions__named') }}

),

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__ranked') }}

),

recomputed as (

    select
        questions.predictions_sha256,
        questions.model_hash,
        questions.task_hash,
        count(*) as n_questions,
        max(questions.identity_error) filter (where questions.n_choices > 0) as identity_error,
        max(questions.corr_error) filter (where questions.n_choices > 0) as corr_error,
        {%- for metric in instance_accuracies() %}
        avg(questions.{{ metric }}) as {{ metric }}{{ ',' if not loop.last }}
        {%- endfor %}

    from questions
    group by all

),

verdicts as (

    select
        predictions.predictions_id,
        predictions.predictions_sha256,
        predictions.model,
        predictions.revision,
        predictions.task,
        predictions.task_name,
        predictions.task_variant,
        predictions.is_newest,
        evaluations.evaluation_id,
        {{ verdicts(checks) }}

    from predictions
    inner join recomputed
        on predictions.predictions_sha256 = recomputed.predictions_sha256
        and predictions.model_hash is not distinct from recomputed.model_hash
        and predictions.task_hash is not distinct from recomputed.task_hash
    inner join evaluations on predictions.evaluation_id = evaluations.evaluation_id

),

compared as (

    select
        verdicts.*,
        abs(verdicts.reported - verdicts.recomputed) as abs_diff,
        {{ is_reconciled() }} as is_ok

    from verdicts

)

select * from compared
