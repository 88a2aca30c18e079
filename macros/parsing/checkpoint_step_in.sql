{#-
    The step of a checkpoint that a path or revision names: of its last part that names one, as in
    `step1000-unsharded-hf`, `step_1000`, `eid_0-seen_steps_1000`, `checkpoint-500`, `iter_0000500`;
    null where none does. `step10k` and `iter3` may mean anything.
-#}
{% macro checkpoint_step_in(path) -%}
    try_cast(list_last(list_filter(
        list_transform(
            string_split_regex(lower({{ path }}), '[/\\]'),
            lambda part: regexp_extract(
                part,
                '(?:^|.*[^a-z])(?:(?:steps?|checkpoint|ckpt)[-_=]?|iter_)(\d{1,15})'
                || '(?:[^\da-z.]|\.\D|$)',
                1
            )
        ),
        lambda step: step != ''
    )) as bigint)
{%- endmacro %}
