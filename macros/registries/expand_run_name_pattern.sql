{#-
    A pattern of the registry as a regular expression.

    Returns {'regex': anchored text, 'fields': columns of its groups in order}. DuckDB gives the
    groups names only when the pattern is a constant, so patterns are expanded while compiling.
-#}
{% macro expand_run_name_pattern(template) %}
    {% set expanded = namespace(template = template, regex = '') %}
    {% set fields = [] %}
    {% for name, composite in run_name_composites().items() %}
        {% set expanded.template = expanded.template.replace('{' ~ name ~ '}', composite) %}
    {% endfor %}
    {% for part in expanded.template.split('{') %}
        {% if loop.first %}
            {% set expanded.regex = part %}
        {% else %}
            {% set slot, literal = part.split('}') %}
            {% set field, regex = run_name_slots()[slot] %}
            {% do fields.append(field) %}
            {% set expanded.regex = expanded.regex ~ '(' ~ regex ~ ')' ~ literal %}
        {% endif %}
    {% endfor %}
    {{ return({'regex': '^' ~ expanded.regex ~ '$', 'fields': fields}) }}
{% endmacro %}
