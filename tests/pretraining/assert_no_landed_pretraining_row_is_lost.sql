-- An inner join with the recipes once dropped two of them without a word, and the matched runs of
-- these recipes with them. Every landed row is read, and every row of the newest revision is in its
-- mart or in int_pretrain_evals__repeated. Keys are counted by their hashes.
{%- set tables = {
    'evals': 'evals', 'ppl': 'ppl', 'macro_avgs': 'macro_avg',
    'scaling_law_fits': 'scaling_law_fits',
} %}

with

names as (

    select * from {{ ref('int_pretrain_names__resolved') }}

),

landed as (

    select
        {%- for table, kind in tables.items() %}
        coalesce(sum(files.rows) filter (where files.kind = '{{ kind }}'), 0) as {{ table }}
        {{- ',' if not loop.last }}
        {%- endfor %}

    from {{ ref('base_landing__files') }} as files
    where files.source = 'huggingface'

),

evals as (

    select staged.*
    from {{ ref('stg_huggingface__evals') }} as staged
    where {{ is_current_revision(ref('stg_huggingface__evals')) }}

),

ppl as (

    select hash(ppl.params, names.recipe, names.seed, ppl.step) as key_hash
    from {{ ref('stg_huggingface__ppl') }} as ppl
    left join names
        on ppl.params is not distinct from names.params
        and ppl.recipe_raw is not distinct from names.recipe_raw
        and ppl.seed_raw is not distinct from names.seed_raw
    where {{ is_current_revision(ref('stg_huggingface__ppl')) }}

),

checkpoints as (

    select
        checkpoints.*,
        hash(
            checkpoints.params, checkpoints.recipe, checkpoints.seed, checkpoints.step
        ) as key_hash

    from {{ ref('pretrain_checkpoints') }} as checkpoints

),

evaluated as (

    select count(*) as n_checkpoints
    from checkpoints
    where checkpoints.has_evals

),

fits as (

    select count(distinct hash(staged.task, staged.mix, staged.metric, staged.setup)) as n_fits
    from {{ ref('stg_huggingface__scaling_law_fits') }} as staged
    where {{ is_current_revision(ref('stg_huggingface__scaling_law_fits')) }}

),

counts as (

    {%- for table in tables %}
    select
        '{{ table }}: rows of landed files, rows read' as counted,
        (select landed.{{ table }} from landed) as expected,
        count(*) as actual

    from {{ ref('stg_huggingface__' ~ table) }}
    union all
    {%- endfor %}
    select
        'evals: rows of the newest revision, rows of the mart and repeated rows' as counted,
        (select count(*) from evals) as expected,
        count(*) filter (where mart.task != 'mmlu_average')
        + (select count(*) from {{ ref('int_pretrain_evals__repeated') }}) as actual

    from {{ ref('pretrain_evals') }} as mart
    union all
    select
        'evals: checkpoints of the mart, checkpoints with evaluations' as counted,
        count(distinct hash(mart.params, mart.recipe, mart.seed, mart.step)) as expected,
        (select evaluated.n_checkpoints from evaluated) as actual

    from {{ ref('pretrain_evals') }} as mart
    union all
    select
        'ppl: checkpoints of the newest revision, those of them in the mart' as counted,
        count(distinct ppl.key_hash) as expected,
        count(distinct checkpoints.key_hash) as actual

    from ppl
    left join checkpoints on ppl.key_hash = checkpoints.key_hash
    union all
    select
        'scaling_law_fits: fits of the newest revision, rows of the mart' as counted,
        (select fits.n_fits from fits) as expected,
        count(*) as actual

    from {{ ref('scaling_law_fits') }}

)

select * from counts
where actual is distinct from expected
