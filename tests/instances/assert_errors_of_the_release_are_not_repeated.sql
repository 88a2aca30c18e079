-- The released metrics per byte raise e to positive bits per byte, and take the totals per
-- character for those per byte: shares of the right choice went up to 9,000. A probability, and a
-- share, is between 0 and 1; at most 1e-9 more is rounding. The margin is between -1 and 1.
with

questions as (

    select * from {{ ref('instance_questions') }}

)

select
    questions.recipe,
    questions.params,
    questions.seed,
    questions.step,
    questions.task,
    questions.doc_id,
    questions.correct_prob_per_byte_corrected

from questions
where
    {%- for metric in instance_metrics() if 'prob' in metric and not 'total' in metric %}
    questions.{{ metric }} not between 0 and 1 + 1e-9 or
    {%- endfor %}
    {%- for metric in instance_metrics() if metric.startswith('margin') %}
    questions.{{ metric }} not between -1 and 1
    {{- ' or' if not loop.last }}
    {%- endfor %}
