{{ config(materialized = 'view') }}

with

fits as (

    select * from {{ ref('int_scaling_law_fits__parsed') }}

),

averages as (

    select * from {{ ref('int_pretrain_averages__compared') }}

),

issues as (

    select
        'wrong_released_average' as kind,
        {{ checkpoint_label('averages') }} as subject,
        averages.task as field,
        cast(averages.released as varchar) as value,
        'the tasks give ' || averages.recomputed as detail

    from averages
    where not averages.is_ok
    union all
    select
        'inconsistent_fit' as kind,
        concat_ws('/', fits.task, fits.metric, fits.setup) as subject,
        'decision_accuracy_pct' as field,
        cast(min(fits.decision_accuracy_pct) as varchar) as value,
        'to ' || max(fits.decision_accuracy_pct) as detail

    from fits
    group by fits.task, fits.metric, fits.setup
    having
        count(distinct fits.decision_accuracy_pct) > 1
        or min(fits.decision_accuracy_pct) < 0
        or max(fits.decision_accuracy_pct) > 100

)

select * from issues
