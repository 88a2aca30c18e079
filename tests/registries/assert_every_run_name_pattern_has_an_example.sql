-- A pattern without an example is a pattern that nobody has seen matching. An example whose pattern
-- the registry does not have is as wrong, but fails as one that is not classified as stated.
with

patterns as (

    select unnest([
        {%- for pattern_name, _, _ in run_name_patterns() %}
        '{{ pattern_name }}'{{ ',' if not loop.last }}
        {%- endfor %}
    ]) as pattern_name

),

examples as (

    select * from {{ ref('run_name_examples') }}

),

without_example as (

    select patterns.pattern_name
    from patterns
    anti join examples on patterns.pattern_name = examples.pattern_name

)

select * from without_example
