{{ config(
    error_if = '> ' ~ var('max_unparsed_values'),
    warn_if = '> ' ~ var('max_unparsed_values'),
) }}

-- What is no number has no place in run_evals; it is not dropped silently either. Keys of an
-- unknown depth are listed with it.
select
    unpivoted.run_path,
    unpivoted.source_key,
    unpivoted.value_json

from {{ ref('int_evals__unpivoted') }} as unpivoted
where unpivoted.form = 'unknown'
union all
select
    evals.run_path,
    evals.task_name || '/' || evals.metric as source_key,
    evals.value_json

from {{ ref('int_evals__parsed') }} as evals
where evals.reported_value is null
