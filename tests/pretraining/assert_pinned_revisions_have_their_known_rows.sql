{{ config(severity = 'warn') }}

-- depends_on: {{ ref('pretrain_checkpoints') }}
-- The sizes of the pinned commits, so that a cut table or a moved pin is noticed. A warning: of
-- macro_avg the number is derived (11 rows for each of 21,375 checkpoints), of the fits computed
-- (5,280 combinations of 25 mixes), neither counted in the release (spec pretraining, 2026-11).
with

known as (

    select known.*
    from (
        values
        ('ppl', 'c4a9fa360a0c8351e71f3ede04dd165995fab68c', 22709),
        ('evals', '9919b5a0e61e57a85021263918fa82d6ceaee038', 1410750),
        ('macro_avg', '9919b5a0e61e57a85021263918fa82d6ceaee038', 235125),
        ('scaling_law_fits', '9919b5a0e61e57a85021263918fa82d6ceaee038', 132000)
    ) as known (kind, revision, n_rows)

),

landed as (

    select
        files.kind,
        files.project as revision,
        sum(files.rows) as n_rows

    from {{ ref('base_landing__files') }} as files
    where files.source = 'huggingface'
    group by all

)

select
    known.kind,
    known.revision,
    known.n_rows as n_rows_known,
    landed.n_rows as n_rows_landed

from known
inner join landed
    on known.kind = landed.kind and known.revision = landed.revision
where known.n_rows != landed.n_rows
