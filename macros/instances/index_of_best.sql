{#-
    Number of the highest value of a list, from 0, or by `list_min` of the lowest; of level ones the
    first, as with numpy's argmax. Null where a value is missing: list_position() would find the
    null itself.
-#}
{% macro index_of_best(scores, best='list_max') -%}
    case
        when list_count({{ scores }}) = len({{ scores }})
            then list_position({{ scores }}, {{ best }}({{ scores }})) - 1
    end
{%- endmacro %}
