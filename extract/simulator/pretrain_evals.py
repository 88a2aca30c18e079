"""pretrain_eval keys of a config: evaluations of the base model, copied in by the user.

Relations that hold in real uploads (copies, means) hold exactly here as well.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import NamedTuple

from .tasks import DECIMALS, MMLU, NOISE_SHARE, TASKS

_UNCOND = (
    "acc_uncond",
    "predicted_index_uncond",
    "uncond_correct_prob",
    "uncond_correct_prob_per_token",
    "uncond_correct_prob_per_char",
    "uncond_total_prob",
)  # absent for boolq and winogrande

# perplexity set -> level relative to the Pile
PERPLEXITY_SETS: dict[str, float] = {
    "ice": 1.55,
    "pile": 1.0,
    "c4_en": 1.6,
    "dolma_wiki": 1.36,
    "m2d2_s2orc": 2.1,
    "dolma_books": 2.2,
    "dolma_pes2o": 1.1,
    "dolma_stack": 0.33,
    "dolma_reddit": 1.7,
    "wikitext_103": 1.9,
    "dolma_common-crawl": 1.75,
}

# (weak, strong) per metric of the base models' evaluation.  Probabilities per byte exceed one in
# real uploads as well.
_PRETRAIN_RANGES: dict[str, tuple[float, float]] = {
    "acc_raw": (0.0, 1.0),  # share of the task's own range, see _pretrain_layout
    "acc_per_token": (0.0, 1.0),
    "acc_per_char": (0.0, 1.0),
    "acc_uncond": (0.0, 1.0),
    "correct_logit_per_byte": (2.4, 1.1),
    "sum_logits_corr": (1.7, 1.0),  # times the task's answer_logit
    "logits_per_token_corr": (-7.1, -2.8),
    "logits_per_char_corr": (-1.65, -0.8),
    "predicted_index_raw": (0.4, 0.5),  # times (choices - 1)
    "predicted_index_per_token": (0.42, 0.52),
    "predicted_index_per_char": (0.45, 0.53),
    "predicted_index_per_byte": (0.43, 0.52),
    "predicted_index_uncond": (0.48, 0.52),
    "correct_prob": (2e-06, 9e-06),
    "correct_prob_per_token": (0.0035, 0.09),
    "correct_prob_per_char": (0.25, 0.48),
    "correct_prob_per_byte": (5.0, 340.0),
    "margin": (-4e-06, 3e-06),
    "margin_per_token": (-0.003, -0.001),
    "margin_per_char": (-0.05, 0.01),
    "margin_per_byte": (-8.0, -450.0),
    "total_prob": (1e-05, 3e-05),
    "total_prob_per_token": (0.015, 0.16),
    "total_prob_per_char": (0.9, 1.6),
    "norm_correct_prob": (0.19, 0.5),
    "norm_correct_prob_per_token": (0.22, 0.5),
    "norm_correct_prob_per_char": (0.24, 0.5),
    "norm_correct_prob_per_byte": (390.0, 9_000.0),
    "uncond_correct_prob": (1e-05, 5e-06),
    "uncond_correct_prob_per_token": (0.0025, 0.012),
    "uncond_correct_prob_per_char": (0.23, 0.32),
    "uncond_correct_prob_per_byte": (0.23, 0.33),
    "uncond_total_prob": (7e-05, 3e-05),
}
# bare forms that are not simply the name without _per_token
_BARE_FORM = {
    "acc_per_token": "acc_raw",
    "predicted_index_per_token": "predicted_index_raw",
    "logits_per_token_corr": "sum_logits_corr",
}
_PRETRAIN_DERIVED = ("primary_metric", "total_prob_per_byte")
# the later 32-key vocabulary lacks these
_MISSING_IN_32 = frozenset(
    {
        "sum_logits_corr",
        "logits_per_token_corr",
        "logits_per_char_corr",
        "no_answer",
        "predicted_index_per_byte",
    }
)


class _PretrainLayout(NamedTuple):
    keys: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]  # (weak value, strong - weak)
    constants: dict[str, float]
    copies: tuple[tuple[str, str], ...]  # (target, source)
    means: tuple[tuple[str, tuple[str, ...]], ...]
    perplexities: tuple[tuple[str, float], ...]


@cache
def _pretrain_layout(vocabulary: int) -> _PretrainLayout:
    """Keys and relations of the pretrain_eval family, computed once per vocabulary."""
    keys: list[str] = []
    ranges: list[tuple[float, float]] = []
    constants: dict[str, float] = {}
    copies: list[tuple[str, str]] = []
    tasks = (*TASKS, MMLU)
    present: dict[str, list[str]] = {}  # metric -> keys of all tasks
    for task in tasks:
        absent = set() if task.has_uncond else set(_UNCOND)
        if vocabulary == 32:
            absent |= _MISSING_IN_32
        for metric, (weak, strong) in _PRETRAIN_RANGES.items():
            if metric in absent:
                continue
            key = f"pretrain_eval_{task.name}_{metric}"
            present.setdefault(metric, []).append(key)
            if task.name == "boolq" and "_per_token" in metric:  # its answers are one token
                source = _BARE_FORM.get(metric) or metric.removesuffix("_per_token")
                copies.append((key, f"pretrain_eval_boolq_{source}"))
            elif not task.has_uncond and metric.startswith("uncond_"):
                constants[key] = 0
            else:
                if metric.startswith("acc_"):
                    low, high = task.chance, task.best
                else:
                    scale = 1.0
                    if metric.startswith("predicted_index_"):
                        scale = task.choices - 1
                    elif metric == "sum_logits_corr":
                        scale = task.answer_logit
                    low, high = scale * weak, scale * strong
                keys.append(key)
                ranges.append((low, high - low))
        prefix = f"pretrain_eval_{task.name}_"
        constants[prefix + "correct_choice"] = task.correct_choice
        present.setdefault("correct_choice", []).append(prefix + "correct_choice")
        if "no_answer" not in absent:
            constants[prefix + "no_answer"] = 0
            constants["pretrain_eval_olmes_10_macro_avg_no_answer"] = 0
        copies.append((prefix + "primary_metric", prefix + task.primary))
        copies.append((prefix + "total_prob_per_byte", prefix + "total_prob_per_char"))
        for metric in _PRETRAIN_DERIVED:
            present.setdefault(metric, []).append(prefix + metric)
    return _PretrainLayout(
        tuple(keys),
        tuple(ranges),
        constants,
        tuple(copies),
        tuple(
            (f"pretrain_eval_olmes_10_macro_avg_{metric}", tuple(sources))
            for metric, sources in present.items()
        ),
        tuple(
            (f"pretrain_eval/{name}-validation/Perplexity", level)
            for name, level in PERPLEXITY_SETS.items()
        ),
    )


@cache
def pretrain_keys(vocabulary: int) -> tuple[str, ...]:
    """All pretrain_eval keys of a config: 406 for the 37-key vocabulary, 351 for 32."""
    layout = _pretrain_layout(vocabulary)
    return (
        *layout.keys,
        *layout.constants,
        *(key for key, _ in layout.copies),
        *(key for key, _ in layout.means),
        *(key for key, _ in layout.perplexities),
    )


def pretrain_values(
    rng: Random, skill: float, vocabulary: int, pile_perplexity: float
) -> dict[str, float]:
    """Evaluations of the base model, {key: value}, for the keys of pretrain_keys()."""
    layout = _pretrain_layout(vocabulary)
    rnd = rng.random
    share, noise = (1 - NOISE_SHARE) * skill, NOISE_SHARE
    values: dict[str, float] = dict(layout.constants)
    values.update(
        zip(
            layout.keys,
            [
                round(weak + (share + noise * rnd()) * span, DECIMALS)
                for weak, span in layout.ranges
            ],
            strict=True,
        )
    )
    for key, source in layout.copies:
        values[key] = values[source]
    for key, sources in layout.means:
        values[key] = round(sum([values[source] for source in sources]) / len(sources), DECIMALS)
    for key, level in layout.perplexities:
        values[key] = round(pile_perplexity * level * (0.95 + 0.1 * rnd()), DECIMALS)
    return values
