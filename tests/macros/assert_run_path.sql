-- The key of every run: W&B's own path. A run without one of its parts has no key.
with

cases as (

    select
        runs.entity,
        runs.project,
        runs.run_id,
        runs.expected

    from (
        values
        (
            'ml-moe', 'ft-scaling', '2025_08_21-08_24_43_a_1Mtx1_--learning_rate=5e-07',
            'ml-moe/ft-scaling/2025_08_21-08_24_43_a_1Mtx1_--learning_rate=5e-07'
        ),
        ('entity', 'project', ' padded', 'entity/project/ padded'),
        (null, 'project', 'run', null),
        ('entity', null, 'run', null),
        ('entity', 'project', null, null)
    ) as runs (entity, project, run_id, expected)

),

paths as (

    select
        cases.*,
        {{ run_path('cases') }} as actual

    from cases

)

select * from paths
where actual is distinct from expected
