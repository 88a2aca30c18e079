with

landed as (

    select * from {{ ref('base_posttrain__records') }}

),

records as (

    select
        ----------  ids
        landed.content_sha256,
        nullif(trim(landed.model_config ->> '$.model'), '') as config_model,
        nullif(trim(landed.model_config ->> '$.model_path'), '') as config_model_path,
        nullif(trim(landed.model_config ->> '$.revision'), '') as config_revision,
        landed.task_name,
        landed.task_config ->> '$.metadata.alias' as alias,
        try_cast(landed.task_idx as bigint) as task_idx,

        ----------  hashes
        landed.task_hash,
        landed.model_hash,
        landed.config_sha256 as config_key,
        -- In whatever order it is written.
        md5(cast(list_sort(map_entries(
            try_cast(cast(landed.model_config as json) as map (varchar, json))
        )) as varchar)) as model_config_key,

        ----------  result
        try_cast(landed.num_instances as bigint) as num_instances,
        cast(landed.num_instances as varchar) as num_instances_text,
        landed.task_config ->> '$.primary_metric' as primary_metric,
        try_cast(landed.task_config ->> '$.num_shots' as bigint) as num_shots,
        try_cast(landed.task_config ->> '$.limit' as double) as question_limit,
        landed.metrics,

        ----------  how it was evaluated
        landed.model_config,
        landed.task_config,
        landed.compute_config,
        landed.beaker_info,
        landed.extra,
        try_cast(landed.processing_time as double) as processing_time_s,
        cast(landed.processing_time as varchar) as processing_time_text,
        landed.current_date as evaluated_at_text,
        try_cast(replace(landed.current_date, ' UTC', '+00') as timestamptz) as evaluated_at,

        ----------  where it was found
        landed.directory,
        landed.folder,
        landed.folder_model,
        landed.folder_revision,
        landed.dump,
        landed.file,
        landed.line,
        landed._source_file,
        landed._batch_id,
        landed._landed_at

    from landed

)

select * from records
