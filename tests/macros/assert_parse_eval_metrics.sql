-- Three older parsers of this text each failed on a different token: None, nan or True; a bare nan;
-- the third evaluated text from the internet as code. Here both spellings are read, Python's words
-- become null, booleans 1 and 0, and what is no object is null as a whole. Numbers are compared as
-- text, which tells their last bits and -0.0 apart.
{# The two vocabularies of the releases (spec pretraining, section 4.2). -#}
{% set forms = ['', '_per_token', '_per_char'] -%}
{%- set common = [
    'predicted_index_raw', 'predicted_index_per_token', 'predicted_index_per_char',
    'predicted_index_per_byte', 'predicted_index_uncond', 'correct_choice', 'acc_raw',
    'acc_per_token', 'acc_per_char', 'acc_uncond', 'no_answer', 'sum_logits_corr',
    'logits_per_token_corr', 'logits_per_char_corr', 'uncond_total_prob', 'primary_metric',
] -%}
{%- set families = [
    'correct_prob', 'margin', 'total_prob', 'uncond_correct_prob', 'norm_correct_prob'
] -%}
{%- set both = common -%}
{%- for family in families -%}
    {%- for form in forms -%}{%- set _ = both.append(family ~ form) -%}{%- endfor -%}
{%- endfor -%}
{%- set keys_34 = both + ['acc_per_byte', 'logits_per_byte_corr', 'bits_per_byte_corr'] -%}
{%- set keys_37 = both + ['correct_logit_per_byte'] -%}
{%- for family in families -%}{%- set _ = keys_37.append(family ~ '_per_byte') -%}{%- endfor -%}

with

cases as (

    select
        texts.text,
        texts.is_object,
        texts.expected_primary_metric,
        texts.expected_acc_raw

    from (
        values
        ----------  both spellings
        ($${'acc_raw': 0.25, 'primary_metric': 0.5}$$, true, '0.5', '0.25'),
        ($${"acc_raw": 0.25, "primary_metric": 0.5}$$, true, '0.5', '0.25'),
        ($${"acc_raw":0.25,"primary_metric":0.5}$$, true, '0.5', '0.25'),
        ($${'primary_metric': 0.5}$$, true, '0.5', null),
        ($${}$$, true, null, null),

        ----------  what Python writes for what is missing or no number
        ($${'acc_raw': None, 'primary_metric': 0.5}$$, true, '0.5', null),
        ($${'acc_raw': 0.25, 'primary_metric': None}$$, true, null, '0.25'),
        ($${'acc_raw': nan, 'primary_metric': 0.5}$$, true, '0.5', 'nan'),
        ($${'acc_raw': inf, 'primary_metric': -inf}$$, true, '-inf', 'inf'),
        ($${'acc_raw': nan, 'primary_metric': None}$$, true, null, null),
        ($${'acc_raw': -inf, 'primary_metric': None}$$, true, null, null),
        ($${"acc_raw": null, "primary_metric": 0.5}$$, true, '0.5', null),
        ($${"acc_raw": NaN, "primary_metric": 0.5}$$, true, '0.5', 'nan'),
        ($${"acc_raw": Infinity, "primary_metric": -Infinity}$$, true, '-inf', 'inf'),
        ($${"acc_raw": NaN, "primary_metric": None}$$, true, null, null),
        ($${'acc_raw': True, 'primary_metric': False}$$, true, '0.0', '1.0'),
        ($${'acc_raw': True, 'primary_metric': nan}$$, true, null, '1.0'),
        ($${"acc_raw": true, "primary_metric": false}$$, true, '0.0', '1.0'),

        ----------  to the last bit
        (
            $${'acc_raw': 0.1, 'primary_metric': 0.30000000000000004}$$,
            true, '0.30000000000000004', '0.1'
        ),
        ($${'acc_raw': 1e-05, 'primary_metric': 2.5e-07}$$, true, '2.5e-07', '1e-05'),
        ($${'acc_raw': 1E-5, 'primary_metric': 1e+16}$$, true, '1e+16', '1e-05'),
        ($${'acc_raw': -0.0, 'primary_metric': 0.0}$$, true, '0.0', '-0.0'),
        (
            $${'acc_raw': 5e-324, 'primary_metric': 1.7976931348623157e+308}$$,
            true, '1.7976931348623157e+308', '5e-324'
        ),
        (
            $${'acc_raw': 2.2250738585072014e-308, 'primary_metric': 9007199254740993.0}$$,
            true, '9007199254740992.0', '2.2250738585072014e-308'
        ),
        (
            $${'acc_raw': 0.2864768683274021, 'primary_metric': 0.44149831649831649}$$,
            true, '0.4414983164983165', '0.2864768683274021'
        ),
        ($${'acc_raw': 1, 'primary_metric': -3}$$, true, '-3.0', '1.0'),

        ----------  beside a number, what is none
        ($${'acc_raw': 'high', 'primary_metric': 0.5}$$, true, '0.5', null),
        ($${'acc_raw': [0.25], 'primary_metric': 0.5}$$, true, '0.5', null),
        ($${'acc_raw': {'primary_metric': 0.75}, 'primary_metric': 0.5}$$, true, '0.5', null),
        ($${'brand_new': 7, 'primary_metric': 0.5}$$, true, '0.5', null),
        ($${'ACC_RAW': 0.25, 'primary_metric': 0.5}$$, true, '0.5', null),

        ----------  the first of a repeated key
        ($${'acc_raw': 0.25, 'acc_raw': 0.75}$$, true, null, '0.25'),

        ----------  no object
        ($${'acc_raw': 0.25, 'primary_me$$, false, null, null),
        ($${'acc_raw': 0.25, 'primary_metric': 0.$$, false, null, null),
        ($${'acc_raw': 0.25$$, false, null, null),
        ($${'acc_raw': np.float64(0.25)}$$, false, null, null),
        ($${'acc_raw': __import__('os').getpid()}$$, false, null, null),
        ($${acc_raw: 0.25}$$, false, null, null),
        ($$[{'acc_raw': 0.25}]$$, false, null, null),
        ('garbage', false, null, null),
        ('"acc_raw"', false, null, null),
        ('0.25', false, null, null),
        ('[]', false, null, null),
        ('nan', false, null, null),
        ('None', false, null, null),
        ('null', false, null, null),
        ('', false, null, null),
        ('  ', false, null, null),
        (null, false, null, null)
    ) as texts (text, is_object, expected_primary_metric, expected_acc_raw)

),

parsed as (

    select
        cases.*,
        {{ parse_eval_metrics('cases.text') }} as metrics

    from cases

),

-- Each key has its place as its value; one that had no column would have none.
keys as (

    select keys.*
    from (
        values
        {%- for vocabulary in [keys_34, keys_37] %}
        {%- set is_last = loop.last %}
        {%- for key in vocabulary %}
        ({{ vocabulary | length }}, '{{ key }}', {{ loop.index }}.5)
        {{- ',' if not (is_last and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    ) as keys (vocabulary, key, place)

),

vocabularies as (

    select
        keys.vocabulary,
        '{' || string_agg($$'$$ || keys.key || $$': $$ || keys.place, ', ') || '}' as text

    from keys
    group by all

),

parsed_vocabularies as (

    select
        vocabularies.vocabulary,
        to_json({{ parse_eval_metrics('vocabularies.text') }}) as metrics

    from vocabularies

),

read_keys as (

    select
        keys.*,
        try_cast(json_extract_string(parsed_vocabularies.metrics, keys.key) as double) as actual

    from keys
    left join parsed_vocabularies on keys.vocabulary = parsed_vocabularies.vocabulary

),

sizes as (

    select
        keys.vocabulary,
        count(distinct keys.key) as n_keys

    from keys
    group by all

)

select
    parsed.text,
    cast(parsed.metrics as varchar) as actual

from parsed
where
    (parsed.metrics is not null) is distinct from parsed.is_object
    or cast(parsed.metrics.primary_metric as varchar)
    is distinct from parsed.expected_primary_metric
    or cast(parsed.metrics.acc_raw as varchar) is distinct from parsed.expected_acc_raw
union all
select
    read_keys.key as text,
    cast(read_keys.actual as varchar) as actual

from read_keys
where read_keys.actual is distinct from read_keys.place
union all
select
    'keys of vocabulary ' || sizes.vocabulary as text,
    cast(sizes.n_keys as varchar) as actual

from sizes
where sizes.n_keys != sizes.vocabulary
