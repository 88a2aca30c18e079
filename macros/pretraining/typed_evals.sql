{#-
    Landed evaluations with their metrics as columns. Values that are no finite numbers become
    null; what could not be read at all is counted, and its text kept.
-#}
{% macro typed_evals(landed) -%}
    {%- set metrics = eval_metrics() + unpublished_eval_metrics() -%}
    select
        ----------  ids
        parsed.params,
        parsed.data as recipe_raw,
        parsed.seed as seed_raw,
        try_cast(parsed.step as bigint) as step,
        parsed.task,

        ----------  as reported
        parsed.chinchilla,
        try_cast(parsed.tokens as bigint) as tokens_reported,
        try_cast(parsed.compute as double) as compute_reported,

        ----------  metrics
        {%- for metric in metrics %}
        case when isfinite(parsed.metric.{{ metric }}) then parsed.metric.{{ metric }} end
            as {{ metric }},
        {%- endfor %}

        ----------  how it was read
        case
            when parsed.metric is null then null
            when starts_with(parsed.metrics, '{"') then 'json'
            else 'python'
        end as parser,
        parsed.metric is not null as is_parsed,
        parsed.n_keys - parsed.n_read - case
            when parsed.n_keys = parsed.n_read then 0
            else len(regexp_extract_all(
                parsed.metrics, ': *-?(None|null|nan|inf|NaN|Infinity)\b'
            ))
        end as n_unread,
        case when n_unread <> 0 or parsed.metric is null then parsed.metrics end
            as metrics_unread,

        ----------  provenance
        parsed._source_file,
        parsed._row_number,
        parsed._landed_at

    from (
        select
            *,
            -- Names and numbers hold no colon.
            len(string_split(metrics, ':')) - 1 as n_keys,
            {% for metric in metrics -%}
            coalesce(isfinite(metric.{{ metric }}), false)::int{{ ' + ' if not loop.last }}
            {%- endfor %} as n_read

        from (
            select *, {{ parse_eval_metrics('metrics') }} as metric
            from {{ landed }}
        )
    ) as parsed
{%- endmacro %}
