{#- What OLMES takes where a task names no primary metric, in its order (spec instances, 4.3). -#}
{%- set primary_metrics = ['acc_raw', 'exact_match', 'f1', 'mc1', 'pass_at_1'] %}

with recursive

registry as (

    select * from {{ ref('metric_registry') }}

),

evaluations as (

    select * from {{ ref('int_posttrain_evaluations__deduplicated') }}

),

-- Lists are not taken apart. json_tree() has paths in which an element is like a name with `[0]`.
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
        array_to_string(nodes.names, '.') as metric_name,
        len(nodes.names) as depth,
        nodes.primary_metric,
        nodes.json_type,
        nodes.content ->> '$' as value_text

    from nodes
    where nodes.json_type != 'OBJECT'

),

-- What is nested in extra_metrics stands beside the others in other reports of the same task.
valued as (

    select
        leaves.*,
        coalesce(registry.canonical_metric, leaves.metric_name) as metric,
        case
            when leaves.json_type = 'VARCHAR' then {{ parse_metric('leaves.value_text') }}
            when leaves.json_type in ('DOUBLE', 'BIGINT', 'UBIGINT', 'HUGEINT')
                then try_cast(leaves.value_text as double)
        end as value,
        -- A number that is missing is a metric; the name of a judge is none.
        leaves.json_type not in ('VARCHAR', 'BOOLEAN', 'ARRAY') or value is not null as is_number,
        case
            when leaves.metric_name = leaves.primary_metric then 0
            when leaves.metric_name = 'primary_score' then {{ primary_metrics | length + 1 }}
            when leaves.primary_metric is null
                then list_position({{ primary_metrics }}, leaves.metric_name)
        end as primary_rank

    from leaves
    left join registry
        on regexp_replace(leaves.metric_name, '^extra_metrics\.', '') = registry.metric

),

-- `{"a.b": 1, "a": {"b": 2}}` has one name twice, and bits_per_byte_corr was logits_per_byte_corr:
-- the outer one counts, then the one that is called as the metric is now. They should agree.
named as (

    select
        * exclude (primary_rank),
        min(primary_rank) over spellings as primary_rank,
        is_number and row_number() over (
            partition by evaluation_id, metric, is_number
            order by depth, metric_name != metric, metric_name, value_text
        ) = 1 as is_metric,
        is_number and coalesce(
            min(value) over spellings != max(value) over spellings
            and max(value) over spellings - min(value) over spellings
            > 1e-9 * greatest(abs(max(value) over spellings), 1),
            false
        ) as is_contradicted

    from valued
    window spellings as (partition by evaluation_id, metric, is_number)

),

flattened as (

    select
        * exclude (depth, primary_metric, primary_rank, is_number),
        is_metric and coalesce(
            primary_rank
            = min(primary_rank) filter (where is_metric) over (partition by evaluation_id),
            false
        ) as is_primary

    from named

)

select * from flattened
