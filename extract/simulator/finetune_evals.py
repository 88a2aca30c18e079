"""oe_eval_metrics keys of a summary: evaluations after fine-tuning.

Every task is there twice, as one object and as scalars, with identical values.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from .tasks import DECIMALS, NOISE_SHARE, TASKS, Task

LOG2_E = 1.4426950409  # nats to bits
SUITE = "core_9mcqa:rc::olmes:full"
# Scalars of a task: metric -> the drawn value it repeats.  Every per_token value equals its bare
# counterpart: the evaluation lost the token counts.
_SCALARS: dict[str, str] = {
    "acc_per_byte": "acc_per_char",
    "acc_per_char": "acc_per_char",
    "acc_per_token": "acc_raw",
    "acc_raw": "acc_raw",
    "acc_uncond": "acc_uncond",
    "bits_per_byte_corr": "bits",
    "correct_choice": "correct_choice",
    "correct_logit": "sum_logits",
    "correct_logit_per_char": "logits_per_char",
    "correct_logit_per_token": "sum_logits",
    "correct_prob": "correct_prob",
    "correct_prob_per_char": "correct_prob_per_char",
    "correct_prob_per_token": "correct_prob",
    "logits_per_char_corr": "logits_per_char",
    "logits_per_token_corr": "sum_logits",
    "margin": "margin",
    "margin_per_char": "margin_per_char",
    "margin_per_token": "margin",
    "no_answer": "no_answer",
    "norm_correct_prob": "norm",
    "norm_correct_prob_per_char": "norm_per_char",
    "norm_correct_prob_per_token": "norm",
    "predicted_index_per_byte": "index_per_char",
    "predicted_index_per_char": "index_per_char",
    "predicted_index_per_token": "index_raw",
    "predicted_index_raw": "index_raw",
    "predicted_index_uncond": "index_uncond",
    "sum_logits_corr": "sum_logits",
    "total_prob": "total_prob",
    "total_prob_per_char": "total_prob_per_char",
    "total_prob_per_token": "total_prob",
    "uncond_correct_prob": "uncond_prob",
    "uncond_correct_prob_per_char": "uncond_prob_per_char",
    "uncond_correct_prob_per_token": "uncond_prob",
    "uncond_total_prob": "uncond_total",
}
_UNCOND_SCALARS = frozenset(m for m in _SCALARS if "uncond" in m)
_OBJECT_METRICS = (
    "acc_per_byte",
    "acc_per_char",
    "acc_per_token",
    "acc_raw",
    "acc_uncond",
    "bits_per_byte_corr",
    "logits_per_char_corr",
    "logits_per_token_corr",
    "sum_logits_corr",
)
_SUITE_SUMS = ("total_prob", "total_prob_per_char", "total_prob_per_token")
_SUITE_MEANS = tuple(m for m in _SCALARS if m not in _UNCOND_SCALARS and m not in _SUITE_SUMS)
_INSTANCES = sum(task.instances for task in TASKS)


@cache
def _task_config(task: Task, suite: bool = False) -> dict[str, Any]:
    """Settings of an evaluation task; shared between runs, never changed.

    The suite repeats those of one of its tasks, as in real records.
    """
    metadata: dict[str, Any] = {
        "alias": f"{task.name}:rc::olmes:full",
        "regimes": ["OLMES-v0.1"],
    }
    if task.name == "arc_easy":
        metadata["description"] = "ARC-Easy (RC) using OLMES-v0.1"
    if suite:
        metadata = {"alias": SUITE, "description": "Aggregate metric", "num_tasks": len(TASKS)}
    uncond_offset = None if task.name == "boolq" else 1_000_000
    context = {"arc_easy": {"description": None}, "openbookqa": {"no_prefix": False}}
    return {
        "compute_gold_bpb": False,
        "context_kwargs": context.get(task.name),
        "custom_kwargs": None,
        "dataset_name": task.dataset_name,
        "dataset_path": task.dataset_path,
        "external_eval": None,
        "fewshot_seed": 1234,
        "fewshot_source": f"OLMES:{task.source}",
        "generation_kwargs": None,
        "limit": None,
        "metadata": metadata,
        "metric_kwargs": None
        if task.name == "winogrande"
        else {"extra_metric_names": ["no_answer"], "uncond_docid_offset": uncond_offset},
        "model_max_length": None,
        "native_id_field": task.id_field,
        "num_shots": 5,
        "primary_metric": "macro" if suite else task.primary,
        "random_subsample_seed": 1234,
        "revision": None,
        "skip_model_judges": None,
        "split": task.split,
        "task_core": task.name,
        "task_name": SUITE if suite else task.name,
        "use_chat_format": None,
        "version": 0,
    }


def _task_scalars(rng: Random, skill: float, task: Task) -> dict[str, float]:
    rnd = rng.random

    def between(weak: float, strong: float) -> float:
        return round(
            weak + ((1 - NOISE_SHARE) * skill + NOISE_SHARE * rnd()) * (strong - weak), DECIMALS
        )

    def accuracy(offset: float) -> float:
        share = between(task.chance, task.best) + offset * (rnd() - 0.5)
        return round(round(share * task.instances) / task.instances, DECIMALS)

    logits_per_char = between(-1.5, -0.75)
    correct, per_char = between(2e-06, 3e-04), between(0.28, 0.5)
    last_choice = task.choices - 1
    drawn = {
        "acc_raw": accuracy(0.02),
        "acc_per_char": accuracy(0.02),
        "acc_uncond": accuracy(0.03),
        "logits_per_char": logits_per_char,
        "bits": round(-logits_per_char * LOG2_E, DECIMALS),
        "sum_logits": between(1.6 * task.answer_logit, task.answer_logit),
        "correct_choice": task.correct_choice,
        "correct_prob": correct,
        "correct_prob_per_char": per_char,
        "margin": between(-5e-05, 9e-05),
        "margin_per_char": between(-0.06, 0.01),
        "no_answer": 0,
        "norm": between(0.9 / task.choices, 1.3 / task.choices),
        "norm_per_char": between(1.0 / task.choices, 1.05 / task.choices),
        "index_raw": round(last_choice * (0.4 + 0.15 * rnd()), DECIMALS),
        "index_per_char": round(last_choice * (0.45 + 0.1 * rnd()), DECIMALS),
        "index_uncond": round(last_choice * (0.48 + 0.04 * rnd()), DECIMALS),
        "total_prob": round(correct * (1.6 + 0.8 * rnd()), DECIMALS),
        "total_prob_per_char": round(per_char * (task.choices - 0.2 * rnd()), DECIMALS),
        "uncond_prob": between(1e-06, 7e-06),
        "uncond_prob_per_char": between(0.21, 0.33),
        "uncond_total": between(4e-05, 1e-05),
    }
    return {
        metric: drawn[source]
        for metric, source in _SCALARS.items()
        if task.has_uncond or metric not in _UNCOND_SCALARS
    }


def _suite(scalars: dict[str, dict[str, float]]) -> tuple[dict[str, Any], dict[str, float]]:
    """Object and scalars of the nine-task suite: macro and micro means, and three plain sums."""
    metrics: dict[str, float] = {}
    pairs = [(scalars[task.name], task.instances) for task in TASKS]
    for metric in _SUITE_MEANS:
        if metric == "no_answer":
            macro: float = 0
            micro: float = 0
        else:
            macro = round(sum([values[metric] for values, _ in pairs]) / len(pairs), DECIMALS)
            micro = round(sum([values[metric] * n for values, n in pairs]) / _INSTANCES, DECIMALS)
        metrics[metric + "_macro"] = macro
        metrics[metric + "_micro"] = micro
    for metric in _SUITE_SUMS:
        metrics[metric] = round(sum([values[metric] for values, _ in pairs]), DECIMALS)
    primary = [(scalars[task.name][task.primary], task.instances) for task in TASKS]
    macro = round(sum([value for value, _ in primary]) / len(primary), DECIMALS)
    body: dict[str, Any] = {
        metric + suffix: metrics[metric + suffix]
        for metric in _OBJECT_METRICS
        if metric != "acc_uncond"
        for suffix in ("_macro", "_micro")
    }
    body["num_instances"] = _INSTANCES
    body["primary_score"] = macro
    body["primary_score_macro"] = macro
    body["primary_score_micro"] = round(
        sum([value * n for value, n in primary]) / _INSTANCES, DECIMALS
    )
    body["task_config"] = _task_config(TASKS[1], suite=True)
    return dict(sorted(body.items())), metrics


def oe_eval_values(rng: Random, skill: float) -> dict[str, Any]:
    """The 368 oe_eval_metrics keys of an evaluated run: ten objects and 358 scalars, sorted."""
    scalars = {task.name: _task_scalars(rng, skill, task) for task in TASKS}
    objects: dict[str, dict[str, Any]] = {}
    for task in TASKS:
        values = scalars[task.name]
        body: dict[str, Any] = {m: values[m] for m in _OBJECT_METRICS if m in values}
        if task.name != "winogrande":
            body["extra_metrics"] = {"no_answer": 0}
        body["num_instances"] = task.instances
        body["primary_score"] = values[task.primary]
        body["task_config"] = _task_config(task)
        objects[task.name] = dict(sorted(body.items()))
    objects[SUITE], scalars[SUITE] = _suite(scalars)
    result: dict[str, Any] = {}
    for name in sorted(objects):
        prefix = f"oe_eval_metrics/{name}"
        result[prefix] = objects[name]
        for metric, value in scalars[name].items():
            result[f"{prefix}/{metric}"] = value
    return result
