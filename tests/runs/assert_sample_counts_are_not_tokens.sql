-- Older tooling stored the 200 and 51200 of --max_train_samples in the token column.
select
    runs.run_path,
    runs.ft_tokens,
    runs.max_train_samples

from {{ ref('runs') }} as runs
where
    runs.run_type = 'reduce_type'
    and (runs.ft_tokens is not null or runs.max_train_samples is null)
