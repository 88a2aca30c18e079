{{ config(severity = 'warn') }}

-- The accuracy of a setup's decisions is published on each of its 25 rows. A warning: that it is
-- one number was found on the release, nobody promised it (spec pretraining, section 9.1).
select
    task,
    metric,
    setup,
    count(distinct decision_accuracy_pct) as n_values,
    min(decision_accuracy_pct) as lowest,
    max(decision_accuracy_pct) as highest

from {{ ref('scaling_law_fits') }}
group by all
having
    n_values > 1
    or lowest < 0
    or highest > 100
