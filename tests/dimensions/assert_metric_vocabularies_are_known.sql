-- Every source has its own list of metric names: the 34 keys of the released metrics text, the 37
-- of the result CSVs and the W&B configs, the objects and scalars of the fine-tuning evaluations.
-- A name without a row here would have no direction and would silently drop out of every ranking.
-- `_macro` and `_micro` are no part of a name.
with

metrics as (

    select * from {{ ref('metrics') }}

),

tasks as (

    select * from {{ ref('tasks') }}

),

families as (

    select unnest([
        'correct_prob', 'margin', 'total_prob', 'norm_correct_prob', 'uncond_correct_prob'
    ]) as base_name

),

expected as (

    -- Common to the 34 keys and the 37.
    select
        'both' as vocabulary,
        unnest([
            'predicted_index_raw', 'predicted_index_per_token', 'predicted_index_per_char',
            'predicted_index_per_byte', 'predicted_index_uncond', 'correct_choice', 'acc_raw',
            'acc_per_token', 'acc_per_char', 'acc_uncond', 'no_answer', 'sum_logits_corr',
            'logits_per_token_corr', 'logits_per_char_corr', 'uncond_total_prob', 'primary_metric'
        ]) as metric

    union all by name

    select
        'both' as vocabulary,
        base_name || unnest(['', '_per_token', '_per_char']) as metric

    from families

    union all by name

    select
        '34' as vocabulary,
        unnest(['acc_per_byte', 'logits_per_byte_corr', 'bits_per_byte_corr']) as metric

    union all by name

    select
        '37' as vocabulary,
        base_name || '_per_byte' as metric

    from families

    union all by name

    select
        '37' as vocabulary,
        'correct_logit_per_byte' as metric

    union all by name

    select
        'oe_eval' as vocabulary,
        unnest([
            'correct_logit', 'correct_logit_per_char', 'correct_logit_per_token', 'num_instances',
            'primary_score', 'value'
        ]) as metric

    union all by name

    select
        'perplexity' as vocabulary,
        task || '-valppl' as metric

    from tasks
    where task_group = 'perplexity'

),

unknown as (

    select expected.*
    from expected
    anti join metrics
        on expected.metric = metrics.metric

),

wrong_sizes as (

    select
        sizes.vocabulary,
        'has ' || count(*) || ' names instead of ' || sizes.n_names as metric

    from expected
    inner join (values ('34', 34), ('37', 37)) as sizes (vocabulary, n_names)
        on expected.vocabulary in ('both', sizes.vocabulary)
    group by sizes.vocabulary, sizes.n_names
    having count(*) != sizes.n_names

)

select * from unknown
union all by name
select * from wrong_sizes
