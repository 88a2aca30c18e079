"""Deterministic simulator of the archives of question-level results, in their raw format.

    write(folder, "c4", checkpoints=[("150M", 2, 1250)], questions_per_task=5)
    write(folder, "c4", checkpoints=..., processes=2)      # as many questions as there are: 37,682

A tarball of tarballs of JSON, of which each byte follows from the arguments. The numbers are
invented; what follows from them (an answer, whether it is right, the means in metrics.json) is
computed here by the arithmetic of OLMES (spec instances, section 4), in plain Python and not with
the models' SQL, so that the one can be held against the other.

Of the real irregularities it has: ids that are text, integers or null, questions with three and
with five choices among those with four, characters of several bytes, choices that tie, an engine
that gave no answer, and boolq and winogrande without the unconditioned form.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import multiprocessing
import struct
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any

SEEDS_FOLDER = Path(__file__).resolve().parents[2] / "seeds"

CheckpointKey = tuple[str, int, int]  # params, seed number, step
DEMO_CHECKPOINTS: tuple[CheckpointKey, ...] = (
    ("150M", 2, 0), ("150M", 2, 1250), ("150M", 2, 38157), ("150M", 14, 38157), ("1B", 4, 69369),
)  # fmt: skip

BITS = -1.44269504089
NO_ANSWER = -999.0
CHOICES = {"boolq": 2, "piqa": 2, "winogrande": 2, "socialiqa": 3, "csqa": 5}
WITHOUT_UNCOND = frozenset({"boolq", "winogrande"})
INDICES = ("raw", "per_token", "per_char", "per_byte", "uncond")
FORMS = ("", "_per_token", "_per_char")
MODEL_FILES = "unsharded-hf"
GZIP_LEVEL = 6  # of the published archives


@dataclass(frozen=True)
class Task:
    """A task of the release."""

    name: str
    number: int
    n_questions: int
    primary_metric: str


@dataclass(frozen=True)
class Written:
    """A simulated tarball."""

    path: Path
    n_checkpoints: int
    n_questions: int  # of one checkpoint


def all_tasks() -> list[Task]:
    """The nine tasks and the 57 subjects of MMLU."""
    rows = [row for row in _seed_rows("task_registry") if row["task_group"] in ("olmes", "mmlu")]
    return [
        Task(row["task"], number, int(row["n_instances"]), row["primary_metric"])
        for number, row in enumerate(rows)
    ]


def write(
    folder: Path,
    tar_name: str,
    *,
    checkpoints: Sequence[CheckpointKey] = DEMO_CHECKPOINTS,
    questions_per_task: int | None = None,
    processes: int = 1,
) -> Written:
    """Write `models/{tar_name}.tar.gz` below the folder; its path is in the result."""
    path = folder / "models" / f"{tar_name}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    make = partial(checkpoint_tarball, tar_name, questions_per_task=questions_per_task)
    with open(path, "wb") as file, _gzip(file) as compressed, _tar(compressed) as tar:
        if processes > 1:
            with multiprocessing.get_context("spawn").Pool(processes) as pool:
                for key, content in zip(
                    checkpoints, pool.imap(partial(_starred, make), checkpoints), strict=True
                ):
                    add(tar, member_name(tar_name, *key), content)
        else:
            for key, content in zip(checkpoints, starmap(make, checkpoints), strict=True):
                add(tar, member_name(tar_name, *key), content)
    n_questions = sum(_count(task, questions_per_task) for task in all_tasks())
    return Written(path, len(checkpoints), n_questions)


def scores(
    tar_name: str,
    checkpoints: Iterable[CheckpointKey] = DEMO_CHECKPOINTS,
    questions_per_task: int | None = None,
) -> Iterator[tuple[str, str, str, int, str, float]]:
    """The primary scores of the checkpoints by the names of the aggregate table:
    recipe, params, seed, step, task, score.
    """
    recipes = {row["tar_name"]: row["recipe"] for row in _seed_rows("recipe_registry")}
    seeds = {int(row["instance_number"]): row["seed"] for row in _seed_rows("training_seeds")}
    for params, seed_number, step in checkpoints:
        for task in all_tasks():
            simulated = SimulatedTask(tar_name, params, seed_number, step, task, questions_per_task)
            for _ in simulated.documents():
                pass
            score = simulated.metrics_json()["metrics"]["primary_score"]
            yield recipes[tar_name], params, seeds[seed_number], step, task.name, score


def _seed_rows(name: str) -> list[dict[str, str]]:
    with open(SEEDS_FOLDER / f"{name}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _starred(make: partial[bytes], key: CheckpointKey) -> bytes:
    return make(*key)


def member_name(tar_name: str, params: str, seed_number: int, step: int) -> str:
    return f"{tar_name}/{params}/seed-{seed_number}/step-{step}.tar.gz"


def checkpoint_tarball(
    tar_name: str,
    params: str,
    seed_number: int,
    step: int,
    *,
    questions_per_task: int | None = None,
) -> bytes:
    """One checkpoint: two files of each task."""
    files = checkpoint_files(
        tar_name, params, seed_number, step, questions_per_task=questions_per_task
    )
    return tarball((f"step-{step}/{name}", content) for name, content in files)


def checkpoint_files(
    tar_name: str,
    params: str,
    seed_number: int,
    step: int,
    *,
    questions_per_task: int | None = None,
) -> Iterator[tuple[str, bytes]]:
    """The files of a checkpoint by name, with their content."""
    for task in all_tasks():
        simulated = SimulatedTask(tar_name, params, seed_number, step, task, questions_per_task)
        lines = [json.dumps(document) for document in simulated.documents()]
        yield f"{task.name}-metrics.json", json.dumps(simulated.metrics_json()).encode()
        yield f"{task.name}-predictions.jsonl", "".join(f"{line}\n" for line in lines).encode()


def tarball(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar.gz of the files, the same for the same files."""
    target = io.BytesIO()
    with _gzip(target) as compressed, _tar(compressed) as tar:
        for name, content in files:
            add(tar, name, content)
    return target.getvalue()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _gzip(target: Any) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0, compresslevel=GZIP_LEVEL)


def _tar(target: Any) -> tarfile.TarFile:
    return tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT)


def _count(task: Task, questions_per_task: int | None) -> int:
    return task.n_questions if questions_per_task is None else questions_per_task


class SimulatedTask:
    """One task of one checkpoint: its predictions, then the metrics that follow from them."""

    def __init__(
        self,
        tar_name: str,
        params: str,
        seed_number: int,
        step: int,
        task: Task,
        questions_per_task: int | None,
    ) -> None:
        self._tar_name = tar_name
        self._params = params
        self._seed_number = seed_number
        self._step = step
        self._task = task
        self._n_questions = _count(task, questions_per_task)
        self._task_hash = hashlib.md5(task.name.encode()).hexdigest()
        name = member_name(tar_name, params, seed_number, step)
        self._model_hash = hashlib.md5(name.encode()).hexdigest()
        self._salt = int(self._model_hash[:8], 16) + 7919 * task.number
        # From 0 untrained to below 1.
        self._learned = 1 - 1 / (1 + math.log1p(step / 4000))
        self._sums: dict[str, list[float]] = {}

    def documents(self) -> Iterator[dict[str, Any]]:
        """The lines of predictions.jsonl."""
        for doc_id in range(self._n_questions):
            choices, label = self._choices(doc_id)
            stored, derived = arithmetic(choices, label)
            for key, value in (stored | derived).items():
                if value is not None:
                    self._sums.setdefault(key, []).append(value)
            yield {
                "doc_id": doc_id,
                "native_id": self._native_id(doc_id),
                "metrics": stored,
                "model_output": choices,
                "label": label,
                "task_hash": self._task_hash,
                "model_hash": self._model_hash,
            }

    def metrics_json(self) -> dict[str, Any]:
        """The content of metrics.json; call it after the documents have been told."""
        means = {key: math.fsum(values) / len(values) for key, values in self._sums.items()}
        task = self._task
        return {
            "task_name": task.name,
            "task_hash": self._task_hash,
            "model_hash": self._model_hash,
            "model_config": {
                "model": f"{self._tar_name}-{self._params}-5xC",
                "revision": f"step{self._step}-{MODEL_FILES}",
                "trust_remote_code": True,
                "max_length": 2048,
                "model_path": None,
                "model_type": "hf",
            },
            "task_config": {
                "task_name": task.name,
                "task_core": task.name,
                # As OLMES writes it for an evaluation of all questions, or of the first ones.
                "limit": 10**19 if self._n_questions >= task.n_questions else self._n_questions,
                "split": "test" if task.name in _TEST_SPLIT else "validation",
                "num_shots": 5,
                "fewshot_seed": 1234,
                "primary_metric": task.primary_metric,
                "random_subsample_seed": 1234,
                "context_kwargs": None,
                "generation_kwargs": None,
                "metric_kwargs": {"uncond_docid_offset": 1000000},
                "native_id_field": "id",
                "fewshot_source": f"OLMES:{task.name}",
                "dataset_path": task.name,
                "dataset_name": None,
                "use_chat_format": None,
                "version": 0,
                "revision": None,
                "metadata": {
                    "regimes": ["OLMES-v0.1"], "alias": f"{task.name}:rc::olmes:full",
                },
            },
            "compute_config": {
                "batch_size": "4", "max_batch_size": 32, "output_dir": "/results",
                "num_recorded_inputs": 3, "save_raw_requests": True,
            },
            "processing_time": 0.02 * self._n_questions + 1 / 3,
            "current_date": f"2024-12-19 12:{task.number % 60:02}:07 UTC",
            "num_instances": self._n_questions,
            "beaker_info": {},
            "metrics": means | {"primary_score": means[task.primary_metric]},
            "task_idx": None,
        }  # fmt: skip

    def _native_id(self, doc_id: int) -> str | int | None:
        name = self._task.name
        if name.startswith("arc_"):
            return f"Mercury_{7_000_000 + doc_id * 37}"
        if name == "csqa":
            return hashlib.md5(f"csqa {doc_id}".encode()).hexdigest()
        if name == "openbookqa":
            return f"{7 + doc_id % 3}-{980 + doc_id}"
        return None if name == "socialiqa" else doc_id * 3 + 1

    def _choices(self, doc_id: int) -> tuple[list[dict[str, Any]], int]:
        """Each choice as the evaluator tells it, and the number of the right one."""
        name = self._task.name
        # What a question is does not depend on the model; what the model says of it does.
        state = _mixed(doc_id * 1009 + self._task.number)
        count = CHOICES.get(name, 4)
        if name.startswith("arc_") and doc_id % 101 in (7, 8):
            count = 3 if doc_id % 101 == 7 else 5
        label = state % count
        is_tie = doc_id % 97 == 5
        has_no_answer = doc_id % 1201 == 11
        has_wide_characters = doc_id % 53 == 13
        # Between two such numbers are about 2**32 others.
        model_state = _mixed(self._salt * 1_000_003 + doc_id)
        choices: list[dict[str, Any]] = []
        for number in range(count):
            if is_tie and number == 1:
                choices.append(dict(choices[0]))
                continue
            state = _mixed(state + number)
            model_state = _mixed(model_state + number)
            n_tokens = 1 if name == "boolq" else 1 + state % 11
            n_chars = n_tokens * 4 + 1 + (state >> 8) % 6
            n_bytes = n_chars + (2 if has_wide_characters else 0)
            surprise = 0.4 + (model_state & 0xFFFFF) / 0xFFFFF * 6
            uncond_surprise = 0.9 + (model_state >> 20 & 0xFFFFF) / 0xFFFFF * 6
            if number == label:
                surprise *= 1 - 0.6 * self._learned
            logits = NO_ANSWER if has_no_answer else _single(-surprise * n_tokens)
            choice: dict[str, Any] = {
                "sum_logits": logits,
                "num_tokens": n_tokens,
                "num_tokens_all": n_tokens + 180 + doc_id % 400,
                "is_greedy": not state % 19,
            }
            if name not in WITHOUT_UNCOND:
                choice["sum_logits_uncond"] = _single(-uncond_surprise * n_tokens)
            choice |= {
                "logits_per_token": logits / n_tokens,
                "logits_per_char": logits / n_chars,
                "logits_per_byte": BITS * (logits / n_bytes),
                "num_chars": n_chars,
            }
            choices.append(choice)
        return choices, label


_TEST_SPLIT = frozenset({"arc_challenge", "arc_easy", "openbookqa"})


def arithmetic(
    choices: Sequence[dict[str, Any]], label: int
) -> tuple[dict[str, Any], dict[str, float | None]]:
    """What is stored of a question, and what can be derived; of equal choices the first wins."""
    logits = [choice["sum_logits"] for choice in choices]
    per_token = [choice["logits_per_token"] for choice in choices]
    per_char = [choice["logits_per_char"] for choice in choices]
    bits = [choice["logits_per_byte"] for choice in choices]
    predicted = {
        "raw": logits.index(max(logits)),
        "per_token": per_token.index(max(per_token)),
        "per_char": per_char.index(max(per_char)),
        "per_byte": bits.index(min(bits)),
    }
    has_uncond = all("sum_logits_uncond" in choice for choice in choices)
    if has_uncond:
        gains = [choice["sum_logits"] - choice["sum_logits_uncond"] for choice in choices]
        predicted["uncond"] = gains.index(max(gains))
    stored: dict[str, Any] = {f"predicted_index_{form}": at for form, at in predicted.items()}
    stored["correct_choice"] = label
    stored |= {f"acc_{form}": int(at == label) for form, at in predicted.items()}
    stored |= {
        "no_answer": int(max(logits) == NO_ANSWER),
        "sum_logits_corr": logits[label],
        "logits_per_token_corr": per_token[label],
        "logits_per_char_corr": per_char[label],
        "logits_per_byte_corr": bits[label],
    }

    derived: dict[str, float | None] = {"bits_per_byte_corr": bits[label]}
    for form, values in zip(FORMS, (logits, per_token, per_char), strict=True):
        total = _log_sum_exp(values)
        others = values[:label] + values[label + 1 :]
        derived[f"correct_prob{form}"] = math.exp(values[label])
        derived[f"total_prob{form}"] = math.exp(total)
        derived[f"norm_correct_prob{form}"] = math.exp(values[label] - total)
        derived[f"margin{form}"] = (
            math.exp(values[label]) - math.exp(max(others)) if others else None
        )
    if has_uncond:
        uncond = [choice["sum_logits_uncond"] for choice in choices]
        right = choices[label]
        derived["uncond_correct_prob"] = math.exp(uncond[label])
        derived["uncond_correct_prob_per_token"] = math.exp(uncond[label] / right["num_tokens"])
        derived["uncond_correct_prob_per_char"] = math.exp(uncond[label] / right["num_chars"])
        derived["uncond_total_prob"] = math.exp(_log_sum_exp(uncond))
    return stored, derived


def _log_sum_exp(values: Sequence[float]) -> float:
    most = max(values)
    return most + math.log(sum([math.exp(value - most) for value in values]))


def _mixed(value: int) -> int:
    """A number of 40 bits that looks random."""
    value = (value * 0x9E3779B97F4A7C15 + 0x1234567) & 0xFFFFFFFFFFFFFFFF
    value ^= value >> 31
    value = (value * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return (value ^ value >> 29) & 0xFFFFFFFFFF


def _single(value: float, _pack: struct.Struct = struct.Struct("f")) -> float:  # noqa: B008
    """As the engine computes: in single precision."""
    (rounded,) = _pack.unpack(_pack.pack(value))
    return rounded
