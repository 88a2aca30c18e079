with

listed as (

    select * from {{ ref('int_issues__listed') }}

),

final as (

    select
        kind,
        severity,
        source,
        subject,
        field,
        value,
        message,
        mend_in,
        n_occurrences

    from listed

)

select * from final
