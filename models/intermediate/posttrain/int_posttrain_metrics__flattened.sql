with

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__deduplicated') }}

),

-- An object is taken apart, a list is not.
leaves as (

    select
        evaluations.evaluation_id,
        -- DuckDB 2 quotes a name in a path that is no plain word, 1.5 does not.
        regexp_replace(leaf.fullkey[3:], '"([^"]*)"', '\1', 'g') as metric,
        leaf.type as json_type,
        leaf.value ->> '$' as value_text

    from evaluations, json_tree(evaluations.metrics) as leaf
    where leaf.type != 'OBJECT' and not regexp_matches(leaf.fullkey, '\[[0-9]+\]')

),

valued as (

    select
        leaves.*,
        case
            when leaves.json_type = 'VARCHAR' then {{ parse_metric('leaves.value_text') }}
            when leaves.json_type in ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')
                then try_cast(leaves.value_text as double)
        end as value

    from leaves

),

-- A number that is missing is a metric; the name of a judge is none.
flattened as (

    select
        *,
        json_type not in ('VARCHAR', 'BOOLEAN', 'ARRAY') or value is not null as is_metric

    from valued

)

select * from flattened
