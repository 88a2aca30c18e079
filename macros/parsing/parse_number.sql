{#-
    The grammar of number text: sign, digits, decimals, exponent, unit K, M, B, G or T, trailing t.
    A lone t right after the number is the unit T. DuckDB casts would also take 1_000, nan and inf,
    so the text is checked first (spec run_normalisation, section 6.2).
-#}
{% macro number_pattern() -%}
    '^\s*([+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(?:([KMBGTkmbgt])[tT]?)?\s*$'
{%- endmacro %}

{#- The factor of the unit in a number text. -#}
{% macro number_unit_factor(text, one) -%}
    case lower(regexp_extract({{ text }}, {{ number_pattern() }}, 2))
        when 'k' then {{ one }}000
        when 'm' then {{ one }}000000
        when 'b' then {{ one }}000000000
        when 'g' then {{ one }}000000000
        when 't' then {{ one }}000000000000
        else {{ one }}
    end
{%- endmacro %}

{#- Number text as DOUBLE; null for anything else, which the caller must count. -#}
{% macro parse_number(text) -%}
    case
        when regexp_full_match({{ text }}, {{ number_pattern() }})
            then cast(regexp_extract({{ text }}, {{ number_pattern() }}, 1) as double)
                * {{ number_unit_factor(text, 1) }}
    end
{%- endmacro %}

{#-
    Whole-number text as HUGEINT, exact above 2^53; null for anything else, for fractions and for
    what a HUGEINT cannot hold, unit included.
-#}
{% macro parse_integer(text) -%}
    case
        when regexp_full_match({{ text }}, '^\s*[+-]?[0-9]+\s*(?:[KMBGTkmbgt][tT]?)?\s*$')
            then try(
                cast(regexp_extract({{ text }}, {{ number_pattern() }}, 1) as hugeint)
                * {{ number_unit_factor(text, 1) }}
            )
        when {{ parse_number(text) }} = round({{ parse_number(text) }})
            then try_cast({{ parse_number(text) }} as hugeint)
    end
{%- endmacro %}
