"""One checkpoint from JSON to Parquet, with DuckDB: two files, checked before they are written.

Every number is kept to its last bit. What follows from other columns is not kept but compared, and
its largest relative difference is (`corr_error`, `identity_error`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from extract.errors import InputError
from extract.inputs import lines
from extract.landing.encoding import dump_json
from extract.olmes import sql
from extract.olmes.checkpoint import TaskFiles, Unpacked, unexpected

# A checkpoint of 60 MB takes 150 MB; there are two at once.
MEMORY_LIMIT = "500MB"
# Unknown fields are looked for in pieces of a file: it takes a hundred times the size of a piece.
PIECE_BYTES = 1024**2

# What DuckDB raises because of what is in a file.
_UNREADABLE = (duckdb.InvalidInputException, duckdb.DataError)

_REVISION_STEP = re.compile(r"(?:^|[^a-z])step[-_]?(\d{1,15})", re.IGNORECASE)


@dataclass(frozen=True)
class Converted:
    """The two files of a checkpoint, and their rows."""

    tasks: Path
    questions: Path
    n_tasks: int
    n_questions: int


class Converter:
    """A DuckDB of its own, used for one checkpoint after the other."""

    def __init__(self) -> None:
        self._con = _connect()

    def close(self) -> None:
        self._con.close()

    def convert(self, unpacked: Unpacked, folder: Path) -> Converted:
        """Write a checkpoint's Parquet files below the folder, and remove what they are from.

        Whatever its content, it is refused alone; an ``OSError`` is of the zone and not of it.
        """
        name = unpacked.checkpoint.name
        try:
            return self._convert(unpacked, folder)
        except (InputError, OSError, MemoryError):
            self._start_again()
            raise
        except duckdb.OutOfMemoryException:
            self._start_again()
            raise InputError(
                "too_large",
                f"{name}: does not fit into the memory that a checkpoint is given ({MEMORY_LIMIT}, "
                "MEMORY_LIMIT); land it in parts with --task",
            ) from None
        except Exception as problem:
            self._start_again()
            raise unexpected(name, problem, InputError) from problem

    def _start_again(self) -> None:
        """Forget what is left of a checkpoint; after some errors a DuckDB takes no more queries."""
        self._con.close()
        self._con = _connect()

    def _convert(self, unpacked: Unpacked, folder: Path) -> Converted:
        name = unpacked.checkpoint.name
        tasks = {task: Task(name, task, files) for task, files in sorted(unpacked.tasks.items())}
        for task in tasks.values():
            task.check_name(unpacked.known)
            task.check_step(unpacked.checkpoint.step)
            task.record["tarball_sha256"] = unpacked.tarball_sha256
        try:
            self._load(tasks, folder)
            if self._forget_shapes(tasks):
                self._load(tasks, folder)
            for task in tasks.values():
                task.check()
                if task.shape is None:
                    self._load_extra(task)
        finally:
            for task in tasks.values():
                task.predictions.unlink(missing_ok=True)
        converted = Converted(
            folder / "tasks.parquet", folder / "questions.parquet", len(tasks),
            sum(task.record["n_predictions"] for task in tasks.values()),
        )  # fmt: skip
        identity = _identity(unpacked)
        self._copy(f"select {identity}, {sql.QUESTIONS} from questions order by task, doc_id",
                   converted.questions)  # fmt: skip
        self._write_tasks(tasks, identity, converted.tasks)
        self._run("drop table questions")
        return converted

    def _run(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            # All of it: in DuckDB 2 a result that is not fetched blocks the connection.
            return self._con.execute(query, parameters).fetchall()
        except duckdb.IOException as problem:
            raise OSError(f"the landing zone cannot be read or written ({problem})") from None

    def _load(self, tasks: dict[str, Task], folder: Path) -> None:
        """Read the predictions."""
        groups: dict[sql.Shape | None, list[str]] = {}
        for task in tasks.values():
            groups.setdefault(task.shape, []).append(str(task.predictions))
        try:
            self._run(sql.load(groups, str(folder)))
            counts = self._run(sql.COUNTS)
        except _UNREADABLE as problem:
            raise _why_not(tasks, str(problem)) from None
        for task_name, *count in counts:
            tasks[task_name].count = Count(*count)

    def _forget_shapes(self, tasks: dict[str, Task]) -> bool:
        """Whether there are tasks with other keys than those of their first lines."""
        others = [task for task in tasks.values() if not self._has_its_keys(task)]
        for task in others:
            task.shape = None
        return bool(others)

    def _has_its_keys(self, task: Task) -> bool:
        count = task.count
        if task.shape is None or count.n_lines == 0:
            return True
        if not count.is_complete:
            return False
        n_keys = task.shape.n_keys(count.n_lines, count.n_choices)
        if n_keys + count.n_colons != task.n_colons:
            return False
        if count.has_nulls:
            try:
                self._run(sql.HAVE_KEYS, [str(task.predictions)])
            except _UNREADABLE:
                return False
        return True

    def _load_extra(self, task: Task) -> None:
        """Keep the fields that no column has."""
        piece = task.predictions.with_name("piece-of-predictions.jsonl")
        try:
            with open(task.predictions, "rb") as stream:
                while some := stream.readlines(PIECE_BYTES):
                    piece.write_bytes(b"".join(some))
                    self._run(sql.EXTRA, [task.task, str(piece)])
        except _UNREADABLE as problem:
            raise _why_not({task.task: task}, str(problem)) from None
        finally:
            piece.unlink(missing_ok=True)

    def _write_tasks(self, tasks: dict[str, Task], identity: str, path: Path) -> None:
        records = path.with_suffix(".jsonl")
        with open(records, "wb") as stream:
            for task in tasks.values():
                stream.write(dump_json(task.record) + b"\n")
        self._copy(
            f"select {identity}, {', '.join(TASK_COLUMNS)} from read_json('{records}', "
            f"format = 'newline_delimited', maximum_object_size = {64 * 1024**2}, columns = "
            f"{TASK_COLUMNS}) order by task", path,
        )  # fmt: skip
        records.unlink()

    def _copy(self, query: str, path: Path) -> None:
        self._run(
            f"copy ({query}) to '{path}' (format parquet, compression zstd, parquet_version v2)"
        )


def _connect() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1, "memory_limit": MEMORY_LIMIT, "temp_directory": ""})


def _identity(unpacked: Unpacked) -> str:
    checkpoint = unpacked.checkpoint
    tar_name, params = (
        text.replace("'", "''") for text in (checkpoint.tar_name, checkpoint.params)
    )
    return (
        f"'{tar_name}' as tar_name, '{params}' as params, {checkpoint.seed_number}::integer as "
        f"seed_number, {checkpoint.step}::bigint as step"
    )


# -- tasks ----------------------------------------------------------------------------------------

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
    """What has been read of a task, in the order of ``instances_sql.COUNTS``."""

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


def members(text: str) -> dict[str, str]:
    """The text of each member of a JSON object, exactly as it is written."""
    decoder = json.JSONDecoder()
    found: dict[str, str] = {}
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("it is no JSON object")
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        if found:
            at = _expect(text, at, ",")
        key, at = decoder.raw_decode(text, at)
        if not isinstance(key, str) or key in found:
            raise ValueError("a key is no text, or repeated")
        at = _expect(text, at, ":")
        _, end = decoder.raw_decode(text, at)
        found[key] = text[at:end]
        at = _skip(text, end)
    if _skip(text, at + 1) != len(text):
        raise ValueError("something follows the object")
    return found


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\n", "\r"):
        at += 1
    return at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"expected `{mark}` at character {at}")
    return _skip(text, at + 1)


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


def _why_not(tasks: dict[str, Task], said: str) -> InputError:
    """Which line of which task cannot be read; DuckDB counts lines by the way it reads them."""
    for task in tasks.values():
        try:
            for line in lines(task.predictions):
                if len(line.content) > sql.MAX_LINE_BYTES:
                    why = f"has more than {sql.MAX_LINE_BYTES // 1024**2} MiB"
                    return _bad_line(task, line.number, "line_too_long", why)
                try:
                    record = json.loads(line.content)
                except (ValueError, RecursionError):
                    why = "is no whole JSON" if line.is_last else "is no JSON"
                    return _bad_line(task, line.number, "malformed_line", why)
                if not isinstance(record, dict):
                    return _bad_line(task, line.number, "malformed_line", "is no JSON object")
        except InputError as problem:
            return _bad_line(task, problem.line or 0, problem.reason, str(problem))
    found = re.search(r'in file "[^"]*/([^"/]+)\.jsonl", in line \d+: (.*)', said)
    task = tasks.get(found[1]) if found else None
    name = task.name if task else next(iter(tasks.values())).name.rpartition(",")[0]
    why = found[2] if found else said.partition("\n")[0]
    return InputError(
        "unknown_shape",
        f"{name}: holds predictions of another shape ({why[:200]}); get the checkpoint again from "
        "its publisher, or land other tasks with --task",
    )


def _bad_line(task: Task, line: int, reason: str, why: str) -> InputError:
    return InputError(
        reason,
        f"{task.name}: line {line} of its predictions {why}; get the checkpoint again from its "
        "publisher, or land other tasks with --task",
        line,
    )
