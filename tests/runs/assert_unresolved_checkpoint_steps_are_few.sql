{{ config(
    error_if = '> ' ~ var('max_unresolved_checkpoint_steps'),
    warn_if = '> ' ~ var('max_unresolved_checkpoint_steps'),
) }}

-- The step slot of a name takes any word. A word that is neither a number nor `main` stays text
-- (ckpt_step_text) and cannot be joined to a checkpoint.
select *
from {{ ref('int_runs__unparsed_values') }}
where field = 'ckpt_step'
