{#-
    The order in which a run's rows were logged: by time, as a resumed run repeats steps that it had
    passed; by step where no times are known.
-#}
{% macro walk_order(rows, prefix='') -%}
    (
        coalesce({{ rows }}.{{ prefix }}epoch_s, 0),
        {{ rows }}.{{ prefix }}step,
        {{ rows }}.{{ prefix }}row_ordinal
    )
{%- endmacro %}
