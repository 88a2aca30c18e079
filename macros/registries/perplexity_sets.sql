{#- The validation sets of the perplexity table: `eval/<set>-validation/Perplexity` there. -#}
{% macro perplexity_sets() %}
    {{ return([
        'wikitext_103',
        'pile',
        'c4_en',
        'm2d2_s2orc',
        'ice',
        'dolma_wiki',
        'dolma_stack',
        'dolma_reddit',
        'dolma_pes2o',
        'dolma_common-crawl',
        'dolma_books',
    ]) }}
{% endmacro %}

{#- The published name of a column needs quotes, its twin none: both are in the marts. -#}
{% macro unquoted(column) %}{{ return(column | replace('-', '_')) }}{% endmacro %}

{#- The columns of the perplexities on them. -#}
{% macro perplexity_columns() %}
    {%- set columns = [] -%}
    {%- for name in perplexity_sets() -%}
        {%- do columns.append(name ~ '-valppl') -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}
