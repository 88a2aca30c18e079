-- logged_keys: metrics in columns of their own count, W&B's own keys do not.
with

cases as (

    select
        fixtures.metrics,
        fixtures.train_loss,
        fixtures.learning_rate,
        fixtures.total_tokens,
        fixtures.expected

    from (
        values
        (cast('{"a": 1, "b/c": {"d": 2}}' as json), 1.5, null, null, ['a', 'b/c', 'train_loss']),
        (cast('{"_step": 3, "_timestamp": "x"}' as json), null, null, null, []),
        (null, null, 1.5, cast('nan' as double), ['learning_rate', 'total_tokens']),
        (null, null, null, null, [])
    ) as fixtures (metrics, train_loss, learning_rate, total_tokens, expected)

)

select *
from cases
where list_sort({{ logged_keys('cases') }}) is distinct from cases.expected
