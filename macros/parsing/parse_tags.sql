{#-
    Tags as a list of texts, from a JSON list or from a text that holds one: `a,b`, `["a", "b"]`, or
    what Python prints of a list. Null where there is none.
-#}
{% macro parse_tags(tags) -%}
    case json_type({{ tags }})
        when 'ARRAY'
            then list_filter(
                try_cast({{ tags }} as varchar[]), lambda tag: tag is not null
            )
        when 'VARCHAR'
            then list_filter(
                case
                    when starts_with(trim({{ tags }} ->> '$'), '[')
                        then try_cast(trim({{ tags }} ->> '$') as varchar[])
                    else list_transform(
                        string_split({{ tags }} ->> '$', ','), lambda tag: trim(tag)
                    )
                end,
                lambda tag: tag is not null and tag != ''
            )
    end
{%- endmacro %}
