{#-
    The registry of run names: what a W&B run id of `ml-moe/ft-scaling` says about the run.

    To add a pattern: one line in `run_name_patterns`, and one example of it in
    `seeds/run_name_examples.csv`. Everything else follows: classification, captured columns, tests.

    Patterns are tried in the order of this list and the first full match wins. Matched runs come
    before simple ones because every MATCHED8 and MATCHED9 name also fits FT6, and every MATCHED3
    and MATCHED10 name also fits FT7: exp_name swallows `..._150M_finetune`.
-#}
{% macro run_name_patterns() %}
    {% set patterns = [
        ('DPO1_PATTERN',        'dpo',                   '{TS8}_{EXP_DPO}_{DDS}_{STEPW}_default'),
        ('DPO2_PATTERN',        'dpo',                   '{TS8}_{EXP}_dd__{RECIPE}-{SIZE}__{STEPW}__{TOKT}_lr={LR1}_default_--learning_rate={LR2}'),
        ('MATCHED1_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_{CMETRIC}_finetune_{TPE}_{DDF}'),
        ('MATCHED2_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_{CMETRIC}_finetune_Ft_{DDF}'),
        ('MATCHED3_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_finetune_Ft_{DDF}_lr={LR}'),
        ('MATCHED4_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_finetune_{TPE}_{DDF}'),
        ('MATCHED5_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_finetune_Ft_{DDF}'),
        ('MATCHED6_PATTERN',    'matched',               '{TS6}_{EXP}_{CMP}_Ft_{DDF}_lr={LR}'),
        ('MATCHED7_PATTERN',    'matched',               '{TS8}_{EXP}_{CMP}_Ft_{DDF}_lr={LR}'),
        ('MATCHED8_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_finetune_{TPE}_{DDF}_lr={LR}'),
        ('MATCHED9_PATTERN',    'matched',               '{TS6}_{EXP}_{CSIZE}_{CMETRIC}_finetune_{TPE}_{DDF}_lr={LR}'),
        ('MATCHED10_PATTERN',   'matched',               '{TS6}_{EXP}_{CSIZE}_{CMETRIC}_finetune_Ft_{DDF}_lr={LR}'),
        ('REDUCE_LOSS_PATTERN', 'reduce_type',           '{TS8}_{EXP}_{DDS}_{STEPW}_default_--max_train_samples={TOKN}_--reduce_loss={RL}'),
        ('FT1_PATTERN',         'simple_ft_vary_tokens', '{TS8}_{EXP}_{DDS}_{STEPW}_{TPE}_--learning_rate={LR}'),
        ('FT3_PATTERN',         'simple_ft_vary_tokens', '{TS8}_{EXP}_{DDS}_{STEPW}_{TOK}_toks_--learning_rate={LR}'),
        ('FT6_PATTERN',         'simple_ft_vary_tokens', '{TS6}_{EXP}_{TPE}_{DDF}_lr={LR}'),
        ('FT4_PATTERN',         'simple_ft',             '{TS8}_{EXP}_{DDS}_Ft_--learning_rate={LR}'),
        ('FT5_PATTERN',         'simple_ft',             '{TS6}_{EXP}_DD-{RECIPE_D}-{SIZE}_Ft_learning_rate={LR}'),
        ('FT7_PATTERN',         'simple_ft',             '{TS6}_{EXP}_Ft_{DDF}_lr={LR}'),
    ] %}
    {{ return(patterns) }}
{% endmacro %}

{#- What a {SLOT} of a pattern is made of: the column it fills and its text, in ASCII classes. -#}
{% macro run_name_slots() %}
    {% set word, word_dot, word_dot_dash = '[A-Za-z0-9_]', '[A-Za-z0-9_.]', '[A-Za-z0-9_.-]' %}
    {% set size, number = '[0-9]+[MB]', '[0-9.e-]+' %}
    {{ return({
        'TS6':      ('timestamp',           '[0-9]{6}-[0-9]{6}'),
        'TS8':      ('timestamp',           '[0-9]{4}_[0-9]{2}_[0-9]{2}-[0-9]{2}_[0-9]{2}_[0-9]{2}'),
        'EXP':      ('exp_name',            word ~ '+'),
        'EXP_DPO':  ('exp_name',            word ~ '*dpo' ~ word ~ '*'),
        'RECIPE':   ('ckpt_recipe',         word_dot ~ '+'),
        'RECIPE_D': ('ckpt_recipe',         word_dot_dash ~ '+'),
        'SIZE':     ('ckpt_params',         size),
        'STEPS':    ('ckpt_step',           '[0-9]+'),
        'STEPW':    ('ckpt_step',           word ~ '+'),
        'SEED':     ('ckpt_seed',           '[0-9]+'),
        'CSIZE':    ('comparison_params',   size),
        'CRECIPE':  ('comparison_recipe',   word_dot_dash ~ '+'),
        'CMETRIC':  ('comparison_metric',   word ~ '+'),
        'LR':       ('lr',                  number),
        'LR1':      ('lr1',                 number),
        'LR2':      ('lr2',                 number),
        'PER_EPOCH':('ft_tokens_per_epoch', '[0-9]+[MBG]'),
        'EPOCHS':   ('ft_epochs',           '[0-9]+'),
        'TOK':      ('ft_tokens',           '[0-9]+[MBG]'),
        'TOKT':     ('ft_tokens',           '[0-9]+[MBG]t'),
        'TOKN':     ('max_train_samples',   '[0-9]+'),
        'RL':       ('reduce_loss',         word ~ '+'),
    }) }}
{% endmacro %}

{#- Groups of slots that several patterns share. -#}
{% macro run_name_composites() %}
    {{ return({
        'DDS': 'DD-{RECIPE}-{SIZE}',
        'DDF': 'DD-{RECIPE}-{SIZE}-{STEPS}-{SEED}',
        'CMP': 'DD-{CRECIPE}-{CSIZE}',
        'TPE': '{PER_EPOCH}tx{EPOCHS}',
    }) }}
{% endmacro %}

{#- Names that no pattern matches and that are runs of before the naming scheme. -#}
{% macro is_legacy_run_name(name) -%}
    (
        contains({{ name }}, 'main_default')
        and not contains({{ name }}, 'dpo')
        and not contains({{ name }}, '--reduce_loss=')
    )
{%- endmacro %}

{#- Everything that some pattern captures, in the order of the classification mart. -#}
{% macro run_name_fields() %}
    {{ return([
        'timestamp', 'exp_name', 'ckpt_recipe', 'ckpt_params', 'ckpt_step', 'ckpt_seed',
        'comparison_recipe', 'comparison_params', 'comparison_metric', 'ft_tokens_per_epoch',
        'ft_epochs', 'ft_tokens', 'lr', 'lr1', 'lr2', 'max_train_samples', 'reduce_loss',
    ]) }}
{% endmacro %}
