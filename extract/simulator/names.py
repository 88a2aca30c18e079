"""Names used by the simulated runs: model sizes, data recipes and run-id templates.

A run id repeats the settings of its run in one of nineteen fixed shapes; the templates below are
the writing side of that grammar.  Nothing here draws random numbers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

SEQUENCE_LENGTH = 2048  # tokens per pretraining sequence, the same for all sizes


class Size(NamedTuple):
    """One pretrained model size; counts are exact integers."""

    label: str
    parameters: int  # as uploaded with the runs: true count rounded to 0.1 million
    batch: int  # sequences per pretraining step
    final_step: int
    d_model: int
    n_heads: int
    n_layers: int
    pile_perplexity: float  # plausible level at the end of pretraining


SIZES: tuple[Size, ...] = (
    Size("4M", 3_700_000, 32, 5_725, 64, 8, 8, 144.0),
    Size("6M", 6_000_000, 32, 9_182, 96, 8, 8, 92.0),
    Size("8M", 8_500_000, 32, 13_039, 128, 8, 8, 68.0),
    Size("10M", 9_900_000, 32, 15_117, 144, 8, 8, 60.0),
    Size("14M", 14_400_000, 32, 21_953, 192, 8, 8, 48.0),
    Size("16M", 16_000_000, 32, 24_432, 208, 8, 8, 45.0),
    Size("20M", 19_100_000, 64, 14_584, 192, 8, 16, 42.0),
    Size("60M", 57_100_000, 96, 29_042, 384, 12, 16, 25.0),
    Size("90M", 97_900_000, 160, 29_901, 528, 12, 16, 20.5),
    Size("150M", 151_900_000, 192, 38_157, 768, 12, 12, 17.5),
    Size("300M", 320_000_000, 320, 45_787, 1024, 16, 16, 14.0),
    Size("530M", 530_100_000, 448, 57_786, 1344, 16, 16, 12.0),
    Size("750M", 681_300_000, 576, 63_589, 1536, 16, 16, 11.0),
    Size("1B", 1_176_800_000, 704, 69_369, 2048, 16, 16, 9.8),
)
SIZE_BY_LABEL: dict[str, Size] = {size.label: size for size in SIZES}


class Spelling(NamedTuple):
    """One way to write a data recipe, with the slug of its published models."""

    text: str
    recipe: str
    slug: str


# canonical name, model slug, further spellings without blanks (a run id holds none of those that
# contain a plus sign, a slash or parentheses)
_RECIPES: tuple[tuple[str, str, str], ...] = (
    ("Dolma1.7", "dolma1_7", "d17 dolma1.7 dolma17 baseline"),
    ("Dolma1.7 (no code)", "dolma1_7-no-code", "no_code dolma1.7-no-code dolma17_no_code"),
    (
        "Dolma1.7 (no math, code)",
        "dolma1_7-no-math-code",
        "no_math_no_code dolma1.7-no-math-no-code dolma17_no_math_code",
    ),
    (
        "Dolma1.7 (no Reddit)",
        "dolma1_7-no-reddit",
        "no_reddit dolma1.7-no-reddit dolma17_no_reddit",
    ),
    ("Dolma1.7 (no Flan)", "dolma1_7-no-flan", "no_flan dolma1.7-no-flan dolma17_no_flan"),
    (
        "Dolma1.6++",
        "dolma1_6plus",
        "d16 dolma16 dolma-v1-6-and-sources-baseline dolma_v1_6_and_sources_baseline",
    ),
    ("C4", "c4", ""),
    ("FineWeb-Pro", "fineweb-pro", "fineweb_pro prox_fineweb_pro"),
    ("FineWeb-Edu", "fineweb-edu", "fineweb_edu fineweb_edu_dedup FineWeb"),
    ("Falcon", "falcon", ""),
    ("Falcon+CC", "falcon-and-cc", "falcon_cc falcon_and_cc falcon-with-cc"),
    (
        "Falcon+CC (QC 10%)",
        "falcon-and-cc-qc-10p",
        "falcon_cc_qc10p falcon_and_cc_eli5_oh_top10p falcon-with-cc-top-10p falcon_cc_qc_10",
    ),
    (
        "Falcon+CC (QC 20%)",
        "falcon-and-cc-qc-20p",
        "falcon_cc_qc20p falcon_and_cc_eli5_oh_top20p falcon-with-cc-top-20p falcon_cc_qc_20",
    ),
    (
        "Falcon+CC (QC Orig 10%)",
        "falcon-and-cc-qc-orig-10p",
        (
            "falcon_cc_qcorig10p falcon_and_cc_og_eli5_oh_top10p falcon-with-cc-top-orig-10p"
            " falcon_cc_qc_orig_10"
        ),
    ),
    (
        "Falcon+CC (QC Tulu 10%)",
        "falcon-and-cc-qc-tulu-10p",
        (
            "falcon_cc_qctulu10p falcon_and_cc_tulu_qc_top10 falcon-with-cc-top-tulu-10p"
            " falcon_cc_qc_tulu_10"
        ),
    ),
    ("DCLM-Baseline", "dclm-baseline", "dclm DCLM dclm_baseline"),
    (
        "DCLM-Baseline 25% / Dolma 75%",
        "dclm-baseline-25p-dolma1.7-75p",
        "dclm25_dolma75 dclm_25_d17_75 dolma17-75p-DCLM-baseline-25p dclm_baseline_25_dolma_75",
    ),
    (
        "DCLM-Baseline 50% / Dolma 50%",
        "dclm-baseline-50p-dolma1.7-50p",
        "dclm50_dolma50 dclm_50_d17_50 dolma17-50p-DCLM-baseline-50p dclm_baseline_50_dolma_50",
    ),
    (
        "DCLM-Baseline 75% / Dolma 25%",
        "dclm-baseline-75p-dolma1.7-25p",
        "dclm75_dolma25 dclm_75_d17_25 dolma17-25p-DCLM-baseline-75p dclm_baseline_75_dolma_25",
    ),
    (
        "DCLM-Baseline (QC 7%, FW2)",
        "dclm-baseline-qc-7p-fw2",
        (
            "dclm_qc7p_fw2 dclm_qc7fw2 dclm_ft7percentile_fw2 dclm-baseline-top-fw2-7p"
            " dclm_baseline_qc_7_fw2"
        ),
    ),
    (
        "DCLM-Baseline (QC 7%, FW3)",
        "dclm-baseline-qc-7p-fw3",
        (
            "dclm_qc7p_fw3 dclm_qc7fw3 dclm_ft7percentile_fw3 dclm-baseline-top-fw3-7p"
            " dclm_baseline_qc_7_fw3"
        ),
    ),
    (
        "DCLM-Baseline (QC FW 10%)",
        "dclm-baseline-qc-fw-10p",
        "dclm_qcfw10p dclm_fw_top10 dclm-baseline-top-fw-10p dclm_baseline_qc_fw_10",
    ),
    (
        "DCLM-Baseline (QC FW 3%)",
        "dclm-baseline-qc-fw-3p",
        "dclm_qcfw3p dclm_fw_top3 dclm-baseline-top-fw-3p dclm_baseline_qc_fw_3",
    ),
    (
        "DCLM-Baseline (QC 10%)",
        "dclm-baseline-qc-10p",
        (
            "dclm_qc10p pos_eli5_oh_neg_dclm_refinedweb_steps_2000_lr3e4_top10p"
            " dclm-baseline-top-10p dclm_baseline_qc_10"
        ),
    ),
    (
        "DCLM-Baseline (QC 20%)",
        "dclm-baseline-qc-20p",
        (
            "dclm_qc20p pos_eli5_oh_neg_dclm_refinedweb_steps_2000_lr3e4_top20p"
            " dclm-baseline-top-20p dclm_baseline_qc_20"
        ),
    ),
)
RECIPES: tuple[str, ...] = tuple(name for name, _, _ in _RECIPES)


def _spellings(allowed: str) -> tuple[Spelling, ...]:
    """All spellings made of the allowed characters, one of every recipe first."""
    rows: list[list[Spelling]] = []
    for recipe, slug, others in _RECIPES:
        texts = dict.fromkeys([*others.split(), slug, recipe])
        rows.append([Spelling(t, recipe, slug) for t in texts if re.fullmatch(allowed, t)])
    longest = max(len(row) for row in rows)
    return tuple(row[i] for i in range(longest) for row in rows if i < len(row))


WORD_SPELLINGS = _spellings(r"[A-Za-z0-9_.]+")  # the usual recipe slot: no dash
DASHED_SPELLINGS = _spellings(r"[A-Za-z0-9_.-]+")  # slots of FT5 and of a comparison recipe
_BY_TEXT = {spelling.text: spelling for spelling in DASHED_SPELLINGS}


def spelling(text: str) -> Spelling:
    """The spelling with this text; an unknown text is taken as its own recipe and slug."""
    return _BY_TEXT.get(text) or Spelling(text, text, text)


_DDS = "DD-{recipe}-{size}"
_DDF = _DDS + "-{step}-{seed}"
TEMPLATES: dict[str, str] = {
    "FT1": "{ts8}_{exp}_" + _DDS + "_{stepw}_{tokens}tx{epochs}_--learning_rate={lr}",
    "FT3": "{ts8}_{exp}_" + _DDS + "_{stepw}_{tokens}_toks_--learning_rate={lr}",
    "FT4": "{ts8}_{exp}_" + _DDS + "_Ft_--learning_rate={lr}",
    "FT5": "{ts6}_{exp}_" + _DDS + "_Ft_learning_rate={lr}",
    "FT6": "{ts6}_{exp}_{tokens}tx{epochs}_" + _DDF + "_lr={lr}",
    "FT7": "{ts6}_{exp}_Ft_" + _DDF + "_lr={lr}",
    "MATCHED1": "{ts6}_{exp}_{csize}_{metric}_finetune_{tokens}tx{epochs}_" + _DDF,
    "MATCHED2": "{ts6}_{exp}_{csize}_{metric}_finetune_Ft_" + _DDF,
    "MATCHED3": "{ts6}_{exp}_{csize}_finetune_Ft_" + _DDF + "_lr={lr}",
    "MATCHED4": "{ts6}_{exp}_{csize}_finetune_{tokens}tx{epochs}_" + _DDF,
    "MATCHED5": "{ts6}_{exp}_{csize}_finetune_Ft_" + _DDF,
    "MATCHED6": "{ts6}_{exp}_DD-{crecipe}-{csize}_Ft_" + _DDF + "_lr={lr}",
    "MATCHED7": "{ts8}_{exp}_DD-{crecipe}-{csize}_Ft_" + _DDF + "_lr={lr}",
    "MATCHED8": "{ts6}_{exp}_{csize}_finetune_{tokens}tx{epochs}_" + _DDF + "_lr={lr}",
    "MATCHED9": "{ts6}_{exp}_{csize}_{metric}_finetune_{tokens}tx{epochs}_" + _DDF + "_lr={lr}",
    "MATCHED10": "{ts6}_{exp}_{csize}_{metric}_finetune_Ft_" + _DDF + "_lr={lr}",
    "REDUCE_LOSS": "{ts8}_{exp}_" + _DDS + "_{stepw}_default_--max_train_samples={samples}"
    "_--reduce_loss={reduce_loss}",
    "DPO1": "{ts8}_{exp}_" + _DDS + "_{stepw}_default",
    "DPO2": "{ts8}_{exp}_dd__{recipe}-{size}__{stepw}__{tokens}t_lr={sft_lr}"
    "_default_--learning_rate={lr}",
    # not patterns of their own, but ids of this shape fall through to the type "old"
    "old": "{ts8}_allenai--DataDecide-{slug}-{size}_main_default",
    "other": "{random_id}",
}
# Word characters only, and no "<digits>M" at the end: that would read as a comparison size.
EXP_NAMES: dict[str, tuple[str, ...]] = {
    "FT1": ("test_finetune", "ft_sweep", "tokens_v2"),
    "FT3": ("test_finetune", "ft_toks"),
    "FT4": ("test_finetune", "full_ft"),
    "FT5": ("test_finetune", "recipe_sweep"),
    "FT6": ("ft_tokens", "vary_tokens", "finetune_dolma"),
    "FT7": ("ft_full", "finetune_all", "seeds_v1"),
    "REDUCE_LOSS": ("test_data_rep_finetune", "reduce_check"),
    "DPO1": ("dpo_tune_cache", "test_dpo_tune_cache", "my_dpo"),
    "DPO2": ("test_dpo_tune_cache", "dpo_tune_cache"),
}
MATCHED_EXP_NAMES = ("match", "test_match", "match_v2")
COMPARISON_METRICS = (
    "c4",
    "pile",
    "c4_en",
    "wikitext_103",
    "m2d2_s2orc",
    "ice",
    "dolma_wiki",
    "dolma_stack",
    "dolma_reddit",
    "dolma_pes2o",
    "dolma_books",
)
_UNITS = {"M": 10**6, "B": 10**9, "G": 10**9}


def token_count(text: str) -> int:
    """Tokens meant by a slot such as 10M or 1G."""
    return int(text[:-1]) * _UNITS[text[-1]]
