with

registry as (

    select * from {{ ref('recipe_registry') }}

),

recipes as (

    select
        ----------  names
        recipe,
        family,
        display_order,
        mix_name,
        tar_name,
        hf_slug,
        normalised_name,

        ----------  groups
        ppl_chunk,
        olmes_chunk,
        is_core_dataset,
        is_base_recipe,
        is_mix_with_baselines,

        ----------  features
        total_tokens_billions,
        pct_code,
        pct_common_crawl,
        pct_social_media,
        mean_doc_length_tokens,
        duplicate_rate_pct,
        quality_filter_strength,
        is_mixed_dataset,
        num_sources_mixed,
        educational_content_score

    from registry

)

select * from recipes
