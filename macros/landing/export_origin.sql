{#-
    What a batch of W&B was landed from, by the arguments of its command: `live` from W&B itself,
    `offline` from the log of an offline run, `file` from an export. Each says something else of a
    run: what W&B has of it at a moment, a part of it, what W&B had of it once.
-#}
{% macro export_origin(arguments) -%}
    case
        when {{ arguments }} ->> '$.command' = 'wandb' then 'live'
        when {{ arguments }} ->> '$.inputs[0]' like '%.wandb' then 'offline'
        else 'file'
    end
{%- endmacro %}
