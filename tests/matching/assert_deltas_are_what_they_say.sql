-- A delta is the value after fine-tuning minus the one before, of the same task and metric, to the
-- last bit; older tooling wrote results by row label into lists that were in another order.
with

compared as (

    select * from {{ ref('run_checkpoint_metrics') }}

)

select
    compared.run_path,
    compared.task,
    compared.metric

from compared
where
    compared.delta <> compared.ft_value - compared.pt_value
    or compared.delta_vs_comparison <> compared.ft_value - compared.comparison_value
    or (
        compared.delta is null
        and compared.ft_value is not null
        and compared.pt_value is not null
        and compared.metric in {{ sql_list(compared_metrics(deltas = true)) }}
    )
