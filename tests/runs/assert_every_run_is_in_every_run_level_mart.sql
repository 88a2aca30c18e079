-- One analysis lost runs whose name its parser did not know, another duplicated them in a join.
-- Every landed run is in each run-level mart, once.
with

landed as (

    select distinct {{ run_path('snapshots') }} as run_path
    from {{ ref('base_wandb__runs') }} as snapshots

),

marts as (

    select
        'runs' as mart,
        runs.run_path
    from {{ ref('runs') }} as runs
    union all
    select
        'run_classifications' as mart,
        classifications.run_path
    from {{ ref('run_classifications') }} as classifications
    union all
    select
        'run_configs' as mart,
        configs.run_path
    from {{ ref('run_configs') }} as configs

),

mart_names as (

    select distinct marts.mart
    from marts

),

expected as (

    select
        mart_names.mart,
        landed.run_path

    from landed
    cross join mart_names

),

missing as (

    select * from expected
    except all
    select * from marts

),

unexpected as (

    select * from marts
    except all
    select * from expected

)

select * from missing
union all
select * from unexpected
