{#-
    References without the database's name, which is the name of its file: views keep working in a
    copy of the warehouse under another name, and when it is attached under another name.
-#}
{% macro ref() %}
    {% do return(builtins.ref(*varargs, **kwargs).include(database=false)) %}
{% endmacro %}
