with

landed as (

    select * from {{ ref('base_wandb__runs') }}
    where wandb_metadata is not null

),

-- Clients name each GPU in a list, or all of them in one text `[NVIDIA L40, NVIDIA L40]`.
read as (

    select
        {{ run_path('landed') }} as run_path,
        (landed._snapshot_at, landed._landed_at) as said_at,
        trim(coalesce(
            landed.wandb_metadata ->> '$.gpu',
            landed.wandb_metadata ->> '$.gpu_nvidia[0].name',
            landed.wandb_metadata ->> '$.gpu_devices[0].name'
        ), '[]') as gpu_types,
        coalesce(
            try_cast(landed.wandb_metadata ->> '$.gpu_count' as integer),
            try_cast(json_array_length(landed.wandb_metadata, '$.gpu_nvidia') as integer),
            try_cast(json_array_length(landed.wandb_metadata, '$.gpu_devices') as integer)
        ) as gpu_count,
        landed.wandb_metadata ->> '$.git.commit' as git_commit

    from landed

),

-- A later snapshot may be that of an evaluation script, without a GPU: each fact was said last by
-- the last that said it.
machines as (

    select
        read.run_path,
        array_to_string(
            list_sort(list_distinct(
                string_split(arg_max(nullif(read.gpu_types, ''), read.said_at), ', ')
            )),
            ', '
        ) as gpu_type,
        arg_max(read.gpu_count, read.said_at) as gpu_count,
        arg_max(read.git_commit, read.said_at) as git_commit

    from read
    group by all

)

select * from machines
