with

checks as (

    select * from {{ ref('int_instance_checks__united') }}

),

final as (

    select
        checks.task,
        checks.check_name,
        count(*) as n_checks,
        count(*) filter (where checks.is_ok) as n_ok,
        count(*) filter (where not checks.is_ok) as n_failed,
        count(*) filter (where checks.is_ok is null) as n_not_applicable,
        max(checks.abs_diff) as max_abs_diff

    from checks
    group by all

)

select * from final
