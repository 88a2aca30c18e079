{#-
    The (task, metric) pairs that the wide marts of matched runs show as columns; the long mart
    run_checkpoint_metrics has all. Boolq and winogrande have no unconditioned accuracy, and MMLU
    was not evaluated after fine-tuning.
-#}
{% macro matched_columns(finetuned=true) %}
    {%- set tasks = [
        'arc_challenge', 'arc_easy', 'boolq', 'csqa', 'hellaswag', 'openbookqa', 'piqa',
        'socialiqa', 'winogrande',
    ] -%}
    {%- set pairs = [] -%}
    {%- for task in tasks + ([] if finetuned else ['mmlu_average']) -%}
        {%- for metric in ['primary_metric', 'acc_raw', 'acc_uncond', 'correct_prob'] -%}
            {%- if not (metric == 'acc_uncond' and task in ['boolq', 'winogrande']) -%}
                {%- do pairs.append((task, metric)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(pairs) }}
{% endmacro %}
