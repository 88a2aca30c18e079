-- The inputs of the size table were copied by hand, and every token count and learning rate follows
-- from them, so they stand here a second time, as published. So does the share of the schedule
-- that the early window covers, published with six decimals: for 530M rounding half up instead of
-- half to even would add a step.
with

published as (

    select sizes.*
    from (
        values
        ('4M', 3744832, 3744832, 64, 8, 8, 5725, 5725, 0.676115),
        ('6M', 6010464, 6010464, 96, 8, 8, 9182, 9182, 0.675970),
        ('8M', 8538240, 8538240, 128, 8, 8, 13039, 13039, 0.676030),
        ('10M', 9900432, 9900432, 144, 8, 8, 15117, 15117, 0.676044),
        ('14M', 14380224, 14380224, 192, 8, 8, 21953, 21953, 0.676024),
        ('16M', 16004560, 16004560, 208, 8, 8, 24432, 24432, 0.675989),
        ('20M', 19101888, 19101888, 192, 8, 16, 14584, 14584, 0.388020),
        ('60M', 57078144, 57078144, 384, 12, 16, 29042, 29042, 0.292023),
        ('90M', 97946640, 97946640, 528, 12, 16, 29901, 29901, 0.215215),
        ('150M', 150000000, 151898880, 768, 12, 12, 38157, 37500, 0.196031),
        ('300M', 300000000, 319980544, 1024, 16, 16, 45787, 45000, 0.157612),
        ('530M', 530000000, 530074944, 1344, 16, 16, 57786, 51250, 0.141138),
        ('750M', 750000000, 681297408, 1536, 16, 16, 63589, 62500, 0.132009),
        ('1B', 1000000000, 1176832000, 2048, 16, 16, 69369, 67500, 0.126184)
    ) as sizes (
        params,
        n_schedule,
        n_params,
        d_model,
        n_heads,
        n_layers,
        final_step,
        max_step_to_use,
        early_window_perc
    )

),

actual as (

    select
        params,
        n_schedule,
        n_params,
        d_model,
        n_heads,
        n_layers,
        final_step,
        max_step_to_use,
        round(early_window_perc, 6) as early_window_perc

    from {{ ref('model_sizes') }}

),

missing as (

    select * from published
    except
    select * from actual

)

select * from missing
