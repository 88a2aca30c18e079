-- A pattern becomes one anchored expression in ASCII classes, with one group for every captured
-- field in the order of the slots, composites taken apart.
with

cases as (

    {%- set templates = [
        (
            'only literals_--x=',
            '^only literals_--x=$',
            '',
        ),
        (
            '{TS6}_{EXP}_Ft',
            '^([0-9]{6}-[0-9]{6})_([A-Za-z0-9_]+)_Ft$',
            'timestamp, exp_name',
        ),
        (
            '{TPE}_{DDS}_lr={LR}',
            '^([0-9]+[MBG])tx([0-9]+)_DD-([A-Za-z0-9_.]+)-([0-9]+[MB])_lr=([0-9.e-]+)$',
            'ft_tokens_per_epoch, ft_epochs, ckpt_recipe, ckpt_params, lr',
        ),
        (
            '{CMP}_{DDF}',
            '^DD-([A-Za-z0-9_.-]+)-([0-9]+[MB])'
                ~ '_DD-([A-Za-z0-9_.]+)-([0-9]+[MB])-([0-9]+)-([0-9]+)$',
            'comparison_recipe, comparison_params, ckpt_recipe, ckpt_params, ckpt_step, ckpt_seed',
        ),
        (
            '{TOKT}{TOKN}',
            '^([0-9]+[MBG]t)([0-9]+)$',
            'ft_tokens, max_train_samples',
        ),
    ] %}
    {%- for template, regex, fields in templates %}
    {%- set pattern = expand_run_name_pattern(template) %}

    select
        '{{ template }}' as template,
        '{{ regex }}' as expected_regex,
        '{{ pattern.regex }}' as actual_regex,
        '{{ fields }}' as expected_fields,
        '{{ pattern.fields | join(", ") }}' as actual_fields
    {{- '\n    union all by name' if not loop.last }}
    {%- endfor %}

)

        select * from cases
        where
    actual_regex is distinct from expected_regex
    or actual_fields is distinct from expected_fields
