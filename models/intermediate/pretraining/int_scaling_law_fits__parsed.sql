with

staged as (

    select * from {{ ref('stg_huggingface__scaling_law_fits') }}

),

spellings as (

    select * from {{ ref('recipe_spellings') }}

),

-- A recipe has several mix names (Dolma1.7 is dolma17 and baseline), in which hyphen, underscore
-- and case do not matter.
mixes as (

    select distinct
        {{ normalise_recipe_name('spellings.alias') }} as normalised_mix,
        spellings.recipe

    from spellings
    where list_contains(string_split(spellings.sources, '|'), 'mix_name')

),

current_rows as (

    select * from staged
    where {{ is_current_revision('staged') }}

),

-- By the words of the setup, not by a list of setups: some spellings are not documented (spec
-- pretraining, section 9.1).
parsed as (

    select
        ----------  ids
        current_rows.task,
        coalesce(mixes.recipe, current_rows.mix) as recipe,
        current_rows.mix,
        current_rows.metric,
        current_rows.setup,

        ----------  setup
        try_cast(left(current_rows.setup, 1) as integer) as n_fit_params,
        contains(current_rows.setup, '1_step') as is_one_step,
        contains(current_rows.setup, 'helper_points') as has_helper_points,
        case when contains(current_rows.setup, 'step2=0.5') then '50_Percent' else 'None' end
            as filtering,
        ['1B'] || regexp_extract_all(current_rows.setup, 'no_([0-9]+[MB])', 1) as heldout_params,

        ----------  fits
        current_rows.step_1_y,
        current_rows.step_1_pred,
        current_rows.step_2_y,
        current_rows.step_2_pred,
        current_rows.stacked_y,
        current_rows.stacked_pred,
        abs(current_rows.step_1_pred - current_rows.step_1_y) as abs_error_step_1,
        abs(current_rows.step_2_pred - current_rows.step_2_y) as abs_error_step_2,
        abs(current_rows.stacked_pred - current_rows.stacked_y) as abs_error_stacked,
        current_rows.decision_accuracy_pct

    from current_rows
    left join mixes on {{ normalise_recipe_name('current_rows.mix') }} = mixes.normalised_mix
    -- Of rows with the same key the one that landed last counts, and of one landing the first.
    qualify row_number() over (
        partition by
            current_rows.task,
            coalesce(mixes.recipe, current_rows.mix),
            current_rows.metric,
            current_rows.setup
        order by
            current_rows._landed_at desc,
            current_rows._source_file asc,
            current_rows._row_number asc
    ) = 1

)

select * from parsed
