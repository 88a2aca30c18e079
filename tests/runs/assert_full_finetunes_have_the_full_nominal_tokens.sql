-- A published expectation file held 100000000000000 tokens for a DPO run named 100Mt, because a
-- converter cut two characters off everything that ends in t. Nominal tokens of this project are
-- between a thousand and a hundred billion, and those of full fine-tunes are one number.
select
    runs.run_path,
    runs.ft_tokens_per_epoch,
    runs.ft_epochs,
    runs.ft_tokens

from {{ ref('runs') }} as runs
where
    (
        runs.is_full_finetune
        and (
            runs.ft_tokens_per_epoch is distinct from {{ var('full_finetune_tokens_per_epoch') }}
            or runs.ft_tokens is distinct from 1330254868
        )
    )
    or runs.ft_tokens not between 1e3 and 1e11
