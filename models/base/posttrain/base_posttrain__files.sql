{{ config(pre_hook = "{{ set_landed_files('posttrain', 'files') }}") }}

{{ landed_rows(source('posttrain', 'files')) }}
