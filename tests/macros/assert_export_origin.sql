-- export_origin tells W&B itself, offline logs and exports apart.
with

cases as (

    select
        fixtures.arguments,
        fixtures.expected

    from (
        values
        (cast('{"command": "wandb", "projects": ["e/p"]}' as json), 'live'),
        (cast('{"command": "wandb-files", "inputs": ["run-r.wandb"]}' as json), 'offline'),
        (cast('{"command": "wandb-files", "inputs": ["runs.jsonl"]}' as json), 'file'),
        (cast('{"command": "wandb-files"}' as json), 'file'),
        (cast('{"command": "demo"}' as json), 'file')
    ) as fixtures (arguments, expected)

)

select *
from cases
where {{ export_origin('cases.arguments') }} is distinct from cases.expected
