{#- Pre-hook of base_landing__files: the manifests of the zone; an empty zone has none. -#}
{% macro set_manifest_files() %}
    set variable manifest_files = (
        select ['models/base/empty.jsonl'] || coalesce(list(manifests.file order by manifests.file), [])
        from glob('{{ raw_dir() }}/_manifests/*/*.json') as manifests
    );
{% endmacro %}
