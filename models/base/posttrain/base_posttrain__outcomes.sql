{{ config(pre_hook = "{{ set_landed_files('posttrain', 'outcomes') }}") }}

{{ landed_rows(source('posttrain', 'outcomes')) }}
