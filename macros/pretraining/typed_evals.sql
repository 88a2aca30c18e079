{#-
    The model of landed evaluations with their metrics as columns. Values that are no finite numbers
    become null; what could not be read at all is counted, and its text kept.
-#}
{% macro typed_evals(relation) -%}
{%- set metrics = eval_metrics() + unpublished_eval_metrics() -%}

with

landed as (

    select * from {{ relation }}

),

-- Parsed once: the text is 1.4 kB a row.
parsed as (

    select
        landed.*,
        {{ parse_eval_metrics('landed.metrics') }} as metric

    from landed

),

counted as (

    select
        parsed.*,
        -- Names and numbers hold no colon.
        len(string_split(parsed.metrics, ':')) - 1 as n_keys,
        {% for metric in metrics -%}
        coalesce(isfinite(parsed.metric.{{ metric }}), false)::int{{ ' + ' if not loop.last }}
        {%- endfor %} as n_read

    from parsed

),

typed as (

    select
        ----------  ids
        counted.params,
        counted.data as recipe_raw,
        counted.seed as seed_raw,
        try_cast(counted.step as bigint) as step,
        counted.task,

        ----------  as reported
        counted.chinchilla,
        try_cast(counted.tokens as bigint) as tokens_reported,
        try_cast(counted.compute as double) as compute_reported,

        ----------  metrics
        {%- for metric in metrics %}
        case when isfinite(counted.metric.{{ metric }}) then counted.metric.{{ metric }} end
            as {{ metric }},
        {%- endfor %}

        ----------  how it was read
        case
            when counted.metric is null then null
            when starts_with(counted.metrics, '{"') then 'json'
            else 'python'
        end as parser,
        counted.metric is not null as is_parsed,
        counted.n_keys - counted.n_read - case
            when counted.n_keys = counted.n_read then 0
            else len(regexp_extract_all(
                counted.metrics, ': *-?(None|null|nan|inf|NaN|Infinity)\b'
            ))
        end as n_unread,
        case when n_unread <> 0 or counted.metric is null then counted.metrics end
            as metrics_unread,

        ----------  provenance
        counted._source_file,
        counted._row_number,
        counted._landed_at

    from counted

)

select * from typed
{%- endmacro %}
