{{ config(materialized = 'view') }}

with

evals as (

    select * from {{ ref('int_pretrain_evals__identified') }}
    where not starts_with(task, 'mmlu_')

),

mmlu as (

    select * exclude (n_subjects) from {{ ref('int_pretrain_evals__mmlu_averaged') }}

),

-- The ten tasks of the OLMES suite: nine, and MMLU as the unweighted mean of its 57 subjects.
olmes as (

    select * from evals
    union all by name
    select * from mmlu

)

select * from olmes
