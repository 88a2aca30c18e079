-- The examples are the contract of the run names: type, pattern and every captured field, to the
-- letter. One tool once built its registry wrongly, so that no pattern was ever compiled and EVERY
-- run became old or other; another tried the simple patterns first and typed the two real
-- `..._match_150M_finetune_...` runs as simple fine-tunes.
with

examples as (

    select
        name as example,
        name,
        run_type,
        pattern_name,
        cast(captured as json) as captured

    from {{ ref('run_name_examples') }}

),

matches as (

    {{ match_run_names('examples', 'example', 'name') }}

),

first_matches as (

    select *
    from matches
    qualify row_number() over (partition by matches.example order by matches.priority) = 1

),

compared as (

    select
        examples.example,
        examples.run_type as expected_run_type,
        case
            when first_matches.run_type is not null then first_matches.run_type
            when {{ is_legacy_run_name('examples.example') }} then 'old'
            else 'other'
        end as actual_run_type,
        examples.pattern_name as expected_pattern_name,
        first_matches.pattern_name as actual_pattern_name,
        list_filter(
            [
                {%- for field in run_name_fields() %}
                case
                    when
                        (examples.captured ->> '$.{{ field }}')
                        is distinct from first_matches.{{ field }}_text
                        then '{{ field }}: ' || coalesce(first_matches.{{ field }}_text, 'null')
                end{{ ',' if not loop.last }}
                {%- endfor %}
            ],
            lambda difference: difference is not null
        ) as different_fields,
        -- A misspelt field would be compared with nothing.
        list_filter(
            json_keys(examples.captured),
            lambda field: field not in (
                {%- for field in run_name_fields() %}
                '{{ field }}'{{ ',' if not loop.last }}
                {%- endfor %}
            )
        ) as unknown_fields

    from examples
    left join first_matches on examples.example = first_matches.example

)

select * from compared
where
    expected_run_type is distinct from actual_run_type
    or expected_pattern_name is distinct from actual_pattern_name
    or len(different_fields) > 0
    or len(unknown_fields) > 0
