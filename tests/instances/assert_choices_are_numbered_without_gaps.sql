-- The number of a choice is its place in the list, and labels and predicted answers are such
-- numbers: one that is left out, or counted from 1, moves all of them. The sums of 0 to n - 1 show
-- a gap without grouping by question. Of two tasks, with two to five choices: a recipe has 74
-- million, numbered in the same way.
with

expected as (

    select
        questions.task,
        sum(questions.n_choices) as n_choices,
        sum(questions.n_choices * (questions.n_choices - 1) // 2) as sum_of_indices,
        sum(questions.n_choices * (questions.n_choices - 1) * (2 * questions.n_choices - 1) // 6)
            as sum_of_squares

    from {{ ref('instance_questions') }} as questions
    where questions.task in ('arc_challenge', 'boolq')
    group by all

),

actual as (

    select
        choices.task,
        count(*) as n_choices,
        sum(choices.choice_index) as sum_of_indices,
        sum(choices.choice_index * choices.choice_index) as sum_of_squares,
        min(choices.choice_index) as lowest

    from {{ ref('instance_choices') }} as choices
    where choices.task in ('arc_challenge', 'boolq')
    group by all

)

select
    expected.task,
    expected.n_choices,
    actual.n_choices as n_rows,
    actual.lowest

from expected
left join actual on expected.task = actual.task
where
    expected.n_choices > 0
    and (
        actual.lowest is distinct from 0
        or expected.n_choices is distinct from actual.n_choices
        or expected.sum_of_indices is distinct from actual.sum_of_indices
        or expected.sum_of_squares is distinct from actual.sum_of_squares
    )
