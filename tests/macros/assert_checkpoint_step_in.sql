-- Three checkpoints of one model were one row: only their paths said which step each was.
with

cases as (

    select
        cases.path,
        cases.step

    from (
        values
        ('step1000', 1000),
        ('step_1000', 1000),
        ('step1000-unsharded-hf', 1000),
        ('stage1-step1000-tokens5B', 1000),
        ('exp/eid_0-seen_steps_1000/hf_checkpoint/olmes_eval', 1000),
        ('/anon-0123456789ab/out/checkpoint-500', 500),
        ('runs/global_step12/model', 12),
        ('iter_0001000', 1000),
        ('c:\out\step7\hf', 7),
        ('Step_8/model.pt', 8),
        ('step1/step2', 2),
        ('model-step5.pt', 5),
        ('hf_checkpoint', null),
        ('SPPO-Iter3', null),
        ('step10k', null),
        ('step1.5', null),
        ('sidestep4', null),
        ('main', null),
        (null, null)
    ) as cases (path, step)

),

computed as (

    select
        cases.*,
        {{ checkpoint_step_in('cases.path') }} as actual

    from cases

)

select * from computed
where actual is distinct from step
