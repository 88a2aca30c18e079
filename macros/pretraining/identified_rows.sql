{#-
    Query of the rows of a published table that are of its current revision, under the names of the
    dimensions. `rows` is a relation with the columns of the published ids, `names` one with those
    of int_pretrain_names__resolved.
-#}
{% macro identified_rows(rows, names) -%}
    select
        {{ names }}.recipe,
        {{ names }}.seed,
        {{ rows }}.* exclude (recipe_raw, seed_raw)

    from {{ rows }}
    inner join {{ names }}
        on {{ rows }}.params = {{ names }}.params
        and {{ rows }}.recipe_raw = {{ names }}.recipe_raw
        and {{ rows }}.seed_raw = {{ names }}.seed_raw
    where {{ is_current_revision(rows) }}
{%- endmacro %}
