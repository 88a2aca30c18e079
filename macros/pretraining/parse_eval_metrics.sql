{#-
    The metrics text of a pretraining evaluation as a struct of DOUBLEs, null where it is no object.
    Two spellings (spec pretraining, section 4): split `train` holds the repr of a Python dict,
    `macro_avg` real JSON; which one is decided by row. Python's words for what JSON lacks or spells
    otherwise are rare, so they are replaced only in texts that are not JSON without that.
-#}
{% macro parse_eval_metrics(text) -%}
    {%- set metrics = eval_metrics() + unpublished_eval_metrics() -%}
    {%- set structure -%}
        '{ {%- for metric in metrics %}"{{ metric }}":"DOUBLE"{{ "," if not loop.last }}{% endfor -%} }'
    {%- endset -%}
    {#- Cut at its quotes and put together the text takes half the time of replace(). -#}
    {%- set json -%}
        case
            when starts_with({{ text }}, '{"') then {{ text }}
            else array_to_string(string_split({{ text }}, ''''), '"')
        end
    {%- endset -%}
    -- Of a number or a list from_json would make an object without values.
    case when starts_with({{ text }}, '{') then coalesce(
        try(from_json({{ json }}, {{ structure }})),
        try(from_json(
            replace(replace(
                regexp_replace({{ json }}, '-?\b(None|nan|inf|NaN|Infinity)\b', 'null', 'g'),
                'True', 'true'
            ), 'False', 'false'),
            {{ structure }}
        ))
    ) end
{%- endmacro %}
