-- Which metric a per-token metric must differ from where the token counts are right. Three families
-- do not follow the rule of leaving `_per_token` out: logits_per_token_corr pairs with
-- sum_logits_corr, accuracies and predicted indices with `_raw`. All per-token names of the
-- evaluations stand here.
with

cases as (

    select
        names.metric,
        names.expected

    from (
        values
        ('acc_per_token', 'acc_raw'),
        ('predicted_index_per_token', 'predicted_index_raw'),
        ('logits_per_token_corr', 'sum_logits_corr'),
        ('correct_logit_per_token', 'correct_logit'),
        ('correct_prob_per_token', 'correct_prob'),
        ('norm_correct_prob_per_token', 'norm_correct_prob'),
        ('uncond_correct_prob_per_token', 'uncond_correct_prob'),
        ('margin_per_token', 'margin'),
        ('total_prob_per_token', 'total_prob'),

        ----------  of the suite
        ('acc_per_token_macro', 'acc_raw_macro'),
        ('predicted_index_per_token_micro', 'predicted_index_raw_micro'),
        ('logits_per_token_corr_micro', 'sum_logits_corr_micro'),
        ('correct_prob_per_token_macro', 'correct_prob_macro'),
        (null, null)
    ) as names (metric, expected)

),

paired as (

    select
        metric,
        expected,
        {{ raw_counterpart('metric') }} as actual

    from cases

)

select * from paired
where actual is distinct from expected
