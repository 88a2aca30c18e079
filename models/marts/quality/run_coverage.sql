with

counts as (

    select * from {{ ref('int_run_coverage__counted') }}

),

items as (

    select * from {{ ref('run_coverage_items') }}

),

final as (

    select
        items.item,
        items.meaning,
        counts.n_runs,
        counts.n_with,
        counts.n_runs - counts.n_with as n_without,
        counts.n_with / nullif(counts.n_runs, 0) as share,
        counts.example_without,
        items.what_to_do

    from items
    inner join counts on items.item = counts.item

)

select * from final
