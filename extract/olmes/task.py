"""One task of a checkpoint: what its metrics.json says, checked against its predictions."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from extract.errors import InputError
from extract.olmes import sql
from extract.olmes.checkpoint import TaskFiles
from extract.olmes.json_object import members

_REVISION_STEP = re.compile(r"(?:^|[^a-z])step[-_]?(\d{1,15})", re.IGNORECASE)

TASK_COLUMNS = {
    "task": "VARCHAR", "task_name": "VARCHAR", "task_idx": "BIGINT", "task_hash": "VARCHAR",
    "model_hash": "VARCHAR", "prediction_task_hash": "VARCHAR",
    "prediction_model_hash": "VARCHAR", "n_prediction_hashes": "BIGINT",
    "num_instances": "BIGINT", "n_predictions": "BIGINT", "primary_metric": "VARCHAR",
    "primary_score": "DOUBLE", "metrics": "VARCHAR", "task_config": "VARCHAR",
    "model_config": "VARCHAR", "compute_config": "VARCHAR", "processing_time": "DOUBLE",
    "evaluated_at": "VARCHAR", "revision_step": "BIGINT", "metrics_sha256": "VARCHAR",
    "tarball_sha256": "VARCHAR", "member": "VARCHAR",
}  # fmt: skip


@dataclass(frozen=True)
class Count:
    """What has been read of a task, in the order of ``sql.COUNTS``."""

    n_lines: int = 0
    n_docs: int = 0
    n_ids: int = 0
    n_fractions: int = 0
    n_choices: int = 0
    n_colons: int = 0  # in texts
    is_complete: bool = True
    has_nulls: bool = False
    first_task_hash: str | None = None
    last_task_hash: str | None = None
    first_model_hash: str | None = None
    last_model_hash: str | None = None


class Task:
    """One task of a checkpoint: what its metrics.json says, checked against its predictions."""

    def __init__(self, checkpoint: str, task: str, files: TaskFiles) -> None:
        self.task = task
        self.checkpoint = checkpoint
        self.name = f"{checkpoint}, task {task}"
        for what, content in (("metrics.json", files.metrics),
                              ("predictions.jsonl", files.predictions)):  # fmt: skip
            if content is None:
                raise InputError(
                    f"missing_{what.partition('.')[0]}",
                    f"{self.name}: has no {what}; get the checkpoint again from its publisher, or "
                    "land other tasks with --task",
                )
        assert files.metrics is not None and files.predictions is not None
        self.predictions = files.predictions
        self.n_colons = files.colons
        self.count = Count()
        with open(self.predictions, "rb") as stream:
            self.shape = sql.shape_of(stream.readline(sql.MAX_LINE_BYTES))
        try:
            texts = members(files.metrics.decode("utf-8-sig"))
            self._json = {key: json.loads(text) for key, text in texts.items()}
            if not isinstance(self._json.get("metrics"), dict):
                raise ValueError("it has no object `metrics`")
            if not _is_int(self._json.get("num_instances")):
                raise ValueError("it has no whole number `num_instances`")
        except (ValueError, RecursionError) as problem:
            raise InputError(
                "bad_metrics",
                f"{self.name}: its metrics.json cannot be read ({problem}); get the checkpoint "
                "again from its publisher, or land other tasks with --task",
            ) from None
        self.record: dict[str, Any] = {
            "task": task,
            "task_name": self._text("task_name"),
            "task_idx": self._integer("task_idx"),
            "task_hash": self._text("task_hash"),
            "model_hash": self._text("model_hash"),
            "num_instances": self._integer("num_instances"),
            "primary_metric": _text(self._object("task_config").get("primary_metric")),
            "primary_score": _number(self._object("metrics").get("primary_score")),
            **{
                key: texts[key] if self._json.get(key) is not None else None
                for key in ("metrics", "task_config", "model_config", "compute_config")
            },
            "processing_time": _number(self._json.get("processing_time")),
            "evaluated_at": self._text("current_date"),
            "metrics_sha256": files.metrics_sha256,
            "member": files.member,
        }

    def check_name(self, known: Collection[str]) -> None:
        """A name may be written in other ways (`boolq:rc::olmes`), but not be that of another."""
        named = (self.record["task_name"] or "").partition(":")[0].lower()
        if named != self.task and named in known:
            self._refuse("wrong_task", f"its metrics.json is of task {named}")

    def check_step(self, step: int) -> None:
        """The models of the release are named after their step: `step1250-unsharded-hf`."""
        revision = self._object("model_config").get("revision")
        found = _REVISION_STEP.search(revision) if isinstance(revision, str) else None
        self.record["revision_step"] = int(found[1]) if found else None
        if found and int(found[1]) != step:
            raise InputError(
                "wrong_step",
                f"{self.name}: was evaluated on {revision}, by its model_config, so it is not of "
                f"step {step}; get the checkpoint again from its publisher",
            )

    def check(self) -> None:
        """Refuse predictions that are not those of the metrics."""
        count = self.count
        if n := count.n_lines - count.n_ids:
            self._refuse("no_doc_id", f"{n} of its predictions have no whole doc_id")
        expected = self.record["num_instances"]
        if count.n_lines != expected:
            self._refuse(
                "wrong_count",
                f"has {count.n_lines} predictions, its metrics.json says {expected}",
            )
        if n := count.n_lines - count.n_docs:
            self._refuse("repeated_doc", f"{n} of its predictions repeat a doc_id")
        if n := count.n_fractions:
            self._refuse(
                "not_an_index",
                f"{n} of its predictions have an index, or a count of tokens or characters, that "
                "is no such number",
            )
        first = (count.first_task_hash, count.first_model_hash)
        is_one = first == (count.last_task_hash, count.last_model_hash)
        own = (self.record["task_hash"], self.record["model_hash"])
        is_same = all(None in pair or pair[0] == pair[1] for pair in zip(own, first, strict=True))
        if not (is_one and is_same):
            self._refuse(
                "wrong_hash",
                "its predictions and its metrics.json differ in task_hash or model_hash, so they "
                "are of two evaluations",
            )
        self.record |= {
            "n_predictions": count.n_lines,
            "n_prediction_hashes": 1 if count.n_lines else 0,
            "prediction_task_hash": count.first_task_hash,
            "prediction_model_hash": count.first_model_hash,
        }

    def _refuse(self, reason: str, why: str) -> None:
        raise InputError(
            reason,
            f"{self.name}: {why}; get the checkpoint again from its publisher, or land other tasks "
            "with --task",
        )

    def _object(self, key: str) -> dict[str, Any]:
        value = self._json.get(key)
        return value if isinstance(value, dict) else {}

    def _text(self, key: str) -> str | None:
        return _text(self._json.get(key))

    def _integer(self, key: str) -> int | None:
        value = self._json.get(key)
        return value if _is_int(value) else None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 300 digits: as JSON has it with an exponent
        return math.inf if value > 0 else -math.inf
