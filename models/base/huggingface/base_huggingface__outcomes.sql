{{ config(pre_hook = "{{ set_landed_files('huggingface', 'outcomes') }}") }}

{{ landed_rows(source('huggingface', 'outcomes')) }}
