{#-
    The learning rate of a pretraining step: a linear warm-up from lr_warmup_start to lr_max, then
    half a cosine down to lr_final, where it stays (spec pretraining, section 6). `sizes` is a
    relation with the columns of model_sizes.
-#}
{% macro lr_at_step(step, sizes) -%}
    case
        when {{ step }} <= {{ sizes }}.warmup_steps
            then {{ sizes }}.lr_warmup_start
                + ({{ sizes }}.lr_max - {{ sizes }}.lr_warmup_start)
                * {{ step }} / {{ sizes }}.warmup_steps
        when {{ step }} - {{ sizes }}.warmup_steps >= {{ sizes }}.decay_steps
            then {{ sizes }}.lr_final
        else {{ sizes }}.lr_final
            + 0.5::double * ({{ sizes }}.lr_max - {{ sizes }}.lr_final)
            * (1 + cos(
                pi() * ({{ step }} - {{ sizes }}.warmup_steps) / {{ sizes }}.decay_steps
            ))
    end
{%- endmacro %}
