-- A metrics file and the predictions beside it can be of two evaluations: a call that was repeated
-- rewrites one file after the other, and dumps are copied while that happens. The accuracies of a
-- task with choices follow from its predictions, and every question has one line. Predictions that
-- were replaced by right ones are not held against anybody.
select * from {{ ref('int_posttrain_predictions__compared') }}
where is_newest and not is_ok
