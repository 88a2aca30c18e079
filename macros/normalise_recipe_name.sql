{#-
    Spelling of a recipe in which case, punctuation and spacing no longer matter:
    lower case, each run of `- _ / ( ) % + ,` and blanks as one `_`, none at the ends, no dots.
    A blank name becomes null.
-#}
{% macro normalise_recipe_name(expression) -%}
    nullif(
        replace(
            trim(regexp_replace(lower({{ expression }}), '[-_/()%+,\s]+', '_', 'g'), '_'),
            '.', ''
        ),
        ''
    )
{%- endmacro %}
