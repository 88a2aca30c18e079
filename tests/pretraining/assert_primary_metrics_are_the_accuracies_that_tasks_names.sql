-- `primary_metric` is a value, and which accuracy it is differs by task: unconditioned for csqa,
-- per character for hellaswag. A chart that took acc_raw everywhere compared unlike things.
with

evals as (

    select
        evals.recipe,
        evals.params,
        evals.seed,
        evals.step,
        evals.task,
        tasks.primary_metric as primary_name,
        evals.primary_metric,
        case tasks.primary_metric
            when 'acc_raw' then evals.acc_raw
            when 'acc_per_token' then evals.acc_per_token
            when 'acc_per_char' then evals.acc_per_char
            when 'acc_per_byte' then evals.acc_per_byte
            when 'acc_uncond' then evals.acc_uncond
        end as named_accuracy

    from {{ ref('pretrain_evals') }} as evals
    inner join {{ ref('tasks') }} as tasks on evals.task = tasks.task

)

select * from evals
where
    (primary_metric is null) != (named_accuracy is null)
    or abs(primary_metric - named_accuracy) > 1e-12
