-- The normalised name makes spellings comparable that differ in case, punctuation or spacing.
-- Older tools listed four mixes with underscores where the data has hyphens and upper case, and
-- matched none of them.
with

cases as (

    select
        spellings.spelling,
        spellings.expected

    from (
        values
        ('Dolma1.7', 'dolma17'),
        ('Dolma1.6++', 'dolma16'),
        ('Dolma1.7 (no math, code)', 'dolma17_no_math_code'),
        ('Dolma1.7 (no math code)', 'dolma17_no_math_code'),
        ('DCLM-Baseline (QC 7%, FW2)', 'dclm_baseline_qc_7_fw2'),
        ('DCLM-Baseline 25% / Dolma 75%', 'dclm_baseline_25_dolma_75'),
        ('Falcon+CC (QC Orig 10%)', 'falcon_cc_qc_orig_10'),
        ('dolma17-25p-DCLM-baseline-75p', 'dolma17_25p_dclm_baseline_75p'),
        ('dolma17_25p_dclm_baseline_75p', 'dolma17_25p_dclm_baseline_75p'),
        ('dolma-v1-6-and-sources-baseline', 'dolma_v1_6_and_sources_baseline'),
        -- Underscore and dot are not the same: 1_7 stays apart from 1.7.
        ('dolma1_7', 'dolma1_7'),
        (e'  FineWeb \t Edu  ', 'fineweb_edu'),
        ('c4', 'c4'),
        ('(%)', null),
        ('  ', null),
        ('', null),
        (null, null)
    ) as spellings (spelling, expected)

),

normalised as (

    select
        spelling,
        expected,
        {{ normalise_recipe_name('spelling') }} as actual

    from cases

)

select * from normalised
where actual is distinct from expected
