with

registry as (

    select * from {{ ref('training_seeds') }}

),

seeds as (

    select
        seed,
        seed_index,
        instance_number,
        checkpoint_number,
        branch_suffix,
        used_for

    from registry

)

select * from seeds
