{{ config(
    error_if = '> ' ~ var('max_unparsed_values'),
    warn_if = '> ' ~ var('max_unparsed_values'),
) }}

-- What is no number has no place in run_evals; it is not dropped silently either. Keys of an
-- unknown depth are listed with it.
select * from {{ ref('int_evals__rejected') }}
