{{ config(pre_hook = "{{ set_landed_files('instances', 'outcomes') }}") }}

{{ landed_rows(source('instances', 'outcomes')) }}
