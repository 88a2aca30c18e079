{{ config(pre_hook = "{{ set_landed_files('posttrain', 'records') }}") }}

{{ landed_rows(source('posttrain', 'records')) }}
