{#- What OLMES takes where a task names no primary metric, in its order (spec instances, 4.3). -#}
{%- set primary_metrics = ['acc_raw', 'exact_match', 'f1', 'mc1', 'pass_at_1'] %}

with recursive

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__deduplicated') }}

),

-- An object is taken apart, a list is not. Not by json_tree(): in its paths an element of a list
-- looks like a name that ends in `[0]`.
nodes as (

    select
        evaluations.evaluation_id,
        evaluations.primary_metric,
        cast([] as varchar[]) as names,
        json_type(evaluations.metrics) as json_type,
        cast(evaluations.metrics as json) as content

    from evaluations
    union all
    select
        nodes.evaluation_id,
        nodes.primary_metric,
        list_append(nodes.names, member.key) as names,
        member.type as json_type,
        member.value as content

    from nodes, json_each(nodes.content) as member
    where nodes.json_type = 'OBJECT'

),

leaves as (

    select
        nodes.evaluation_id,
        array_to_string(nodes.names, '.') as metric,
        len(nodes.names) as depth,
        nodes.primary_metric,
        nodes.json_type,
        nodes.content ->> '$' as value_text

    from nodes
    where nodes.json_type != 'OBJECT'

),

valued as (

    select
        leaves.*,
        case
            when leaves.json_type = 'VARCHAR' then {{ parse_metric('leaves.value_text') }}
            when leaves.json_type in ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')
                then try_cast(leaves.value_text as double)
        end as value,
        -- A number that is missing is a metric; the name of a judge is none.
        leaves.json_type not in ('VARCHAR', 'BOOLEAN', 'ARRAY') or value is not null as is_number,
        case
            when leaves.metric = leaves.primary_metric then 0
            when leaves.metric = 'primary_score' then {{ primary_metrics | length + 1 }}
            when leaves.primary_metric is null
                then list_position({{ primary_metrics }}, leaves.metric)
        end as primary_rank

    from leaves

),

-- `{"a.b": 1, "a": {"b": 2}}` has one name twice; the outer one counts.
named as (

    select
        *,
        is_number and row_number() over (
            partition by evaluation_id, metric, is_number
            order by depth, value_text
        ) = 1 as is_metric

    from valued

),

flattened as (

    select
        evaluation_id,
        metric,
        json_type,
        value_text,
        value,
        is_metric,
        is_metric and coalesce(
            primary_rank = min(primary_rank) filter (where is_metric) over (
                partition by evaluation_id
            ),
            false
        ) as is_primary

    from named

)

select * from flattened
