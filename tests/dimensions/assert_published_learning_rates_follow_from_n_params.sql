-- Two peak learning rates are in circulation: analyses compute it from the size label (lr_max),
-- the model table from the exact parameter count (lr_max_published, seven decimals). Both are
-- kept; this shows that the second is what it is said to be, and that the two differ only where
-- the parameter counts do.
with

sizes as (

    select
        params,
        n_params,
        n_schedule,
        lr_max,
        lr_max_published,
        0.0047 * pow(n_params / 108e6, -1.0 / 3.0) as lr_max_of_n_params

    from {{ ref('model_sizes') }}

)

select * from sizes
where
    (abs(lr_max_published - lr_max_of_n_params) < 5.1e-8) is not true
    or (n_params = n_schedule) is distinct from (lr_max = lr_max_published)
