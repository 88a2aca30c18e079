{#-
    The sum of the learning rates up to a pretraining step, in closed form: the area under the
    warm-up's line, then the integral of the cosine, which agrees with the trapezoid sum over the
    steps to less than 1e-6 (spec pretraining, section 6). `sizes` as for lr_at_step.
-#}
{% macro cumulative_lr(step, sizes) -%}
    {%- set decayed -%}
        least({{ step }} - {{ sizes }}.warmup_steps, {{ sizes }}.decay_steps)
    {%- endset -%}
    case
        when {{ step }} <= 0 then 0::double
        when {{ step }} <= {{ sizes }}.warmup_steps
            then {{ sizes }}.lr_warmup_start * {{ step }}
                + ({{ sizes }}.lr_max - {{ sizes }}.lr_warmup_start)
                * {{ step }} * {{ step }} / (2 * {{ sizes }}.warmup_steps)
        when {{ step }} > {{ sizes }}.warmup_steps
            then ({{ sizes }}.lr_warmup_start + {{ sizes }}.lr_max) / 2
                * {{ sizes }}.warmup_steps
                + {{ sizes }}.lr_final * {{ decayed }}
                + 0.5::double * ({{ sizes }}.lr_max - {{ sizes }}.lr_final) * (
                    {{ decayed }}
                    + {{ sizes }}.decay_steps / pi()
                    * sin(pi() * {{ decayed }} / {{ sizes }}.decay_steps)
                )
    end
{%- endmacro %}
