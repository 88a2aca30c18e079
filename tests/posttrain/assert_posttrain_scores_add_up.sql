-- A metrics file and the predictions beside it can be of two evaluations: a call that was repeated
-- rewrites one file after the other, and dumps are copied while that happens. The accuracies of a
-- task with choices follow from its predictions, and every question has one line.
select * from {{ ref('int_posttrain_predictions__compared') }}
where not is_ok
