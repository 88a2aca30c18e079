"""One checkpoint from JSON to Parquet, with DuckDB: two files, checked before they are written.

Every number is kept to its last bit. What follows from other columns is not kept but compared, and
its largest relative difference is (`corr_error`, `identity_error`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from extract.errors import InputError
from extract.inputs import lines
from extract.landing.encoding import dump_json
from extract.olmes import sql
from extract.olmes.checkpoint import Unpacked, unexpected
from extract.olmes.task import TASK_COLUMNS, Count, Task

# A checkpoint of 60 MB takes 150 MB; there are two at once.
MEMORY_LIMIT = "500MB"
# Unknown fields are looked for in pieces of a file: it takes a hundred times the size of a piece.
PIECE_BYTES = 1024**2

# What DuckDB raises because of what is in a file.
_UNREADABLE = (duckdb.InvalidInputException, duckdb.DataError)


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
