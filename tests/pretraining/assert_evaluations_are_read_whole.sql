{{ config(
    error_if = '> ' ~ var('max_unread_evaluations'),
    warn_if = '> ' ~ var('max_unread_evaluations'),
) }}

-- depends_on: {{ ref('pretrain_evals') }}
-- Three older parsers of the metrics text each failed on another token (None, a bare nan, True),
-- and the rows were gone. Every row that was not read as a whole is listed here, with its text: a
-- new metric gets a line in macros/registries/eval_metrics.sql or unpublished_eval_metrics.sql, and
-- then: dbt build --full-refresh -s stg_huggingface__evals+.
with

staged as (

    select
        'evals' as landed_table,
        evals.*

    from {{ ref('stg_huggingface__evals') }} as evals
    union all by name
    select
        'macro_avg' as landed_table,
        macro_avgs.*

    from {{ ref('stg_huggingface__macro_avgs') }} as macro_avgs

)

select
    landed_table,
    params,
    recipe_raw,
    seed_raw,
    step,
    task,
    is_parsed,
    n_unread,
    metrics_unread,
    _source_file,
    _row_number

from staged
where not is_parsed or n_unread is distinct from 0
