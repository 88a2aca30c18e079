{{ config(
    error_if = '> ' ~ var('max_unparsed_values'),
    warn_if = '> ' ~ var('max_unparsed_values'),
) }}

-- A value that cannot be parsed is null AND counted: casts of pandas once made NaN of "100Mtx1" and
-- nobody noticed.
select *
from {{ ref('int_runs__unparsed_values') }}
where field != 'ckpt_step'
