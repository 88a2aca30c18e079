{#-
    The timestamp of a run name: local time of the host that submitted the job, without a zone.
    It is not the start of the run: a job may wait in the queue for hours.
-#}
{% macro parse_run_timestamp(text) -%}
    case
        when contains({{ text }}, '_') then try_strptime({{ text }}, '%Y_%m_%d-%H_%M_%S')
        else try_strptime({{ text }}, '%y%m%d-%H%M%S')
    end
{%- endmacro %}
