"""Predictions of one results directory, from JSON to one Parquet file, in bounded memory.

Tasks of many kinds are among them: what the columns of a multiple-choice question do not hold
(texts that were generated, other metrics) is kept as JSON in `extra`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from extract import instances_sql as sql
from extract.errors import InputError
from extract.inputs import lines
from extract.instances_convert import Count

# A file that needs more is put aside on disk. Generated texts are long: 0.1 GB of JSON a file.
MEMORY_LIMIT = "800MB"
# Rows are written in groups that are held in memory.
ROW_GROUP_BYTES = 64 * 1024**2
MIN_ROW_GROUP, MAX_ROW_GROUP = 2048, 122_880
_UNREADABLE = (duckdb.InvalidInputException, duckdb.DataError)
_AGAIN = "copy the file again, or evaluate the task again"


class Converter:
    """Converts files into the folder of a batch; one Parquet file holds them all in the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[Path] = []
        self._row_group = MAX_ROW_GROUP
        self._con = duckdb.connect(config={
            "threads": 1, "memory_limit": MEMORY_LIMIT, "temp_directory": str(folder / "spill"),
        })  # fmt: skip

    def close(self) -> None:
        self._con.close()

    def add(self, path: Path, sha256: str) -> int:
        """Convert a file; the number of its questions."""
        plain = self._folder / "predictions.jsonl"  # whatever its name is
        try:
            n_bytes = _copy(path, plain)
            count = self._load(plain)
            _check(count)
            self._run(sql.EXTRA, [plain.stem, str(plain)])
            rows = ROW_GROUP_BYTES * count.n_lines // n_bytes // MIN_ROW_GROUP * MIN_ROW_GROUP
            self._row_group = min(self._row_group, max(rows, MIN_ROW_GROUP))
            target = self._folder / f"predictions-{len(self._written)}.parquet"
            self._write(
                f"select '{sha256}' as predictions_sha256, * exclude (task) from ("
                f"select task_hash, model_hash, {sql.QUESTIONS} from questions) order by doc_id",
                target,
            )
            self._written.append(target)
        except _UNREADABLE as problem:
            raise _why_not(path, str(problem)) from None
        except duckdb.OutOfMemoryException:
            raise InputError(
                "too_large",
                f"does not fit into the memory that it is given ({MEMORY_LIMIT}, MEMORY_LIMIT in "
                "extract/posttrain_predictions.py)",
            ) from None
        finally:
            plain.unlink(missing_ok=True)
            self._run("drop table if exists questions")
        return count.n_lines

    def merge(self) -> Path:
        """One file of all that has been converted."""
        target = self._folder / "questions.parquet"
        paths = ", ".join(f"'{path}'" for path in self._written)
        self._write(f"select * from read_parquet([{paths}])", target)
        for path in self._written:
            path.unlink()
        return target

    def _run(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        # All of it: in DuckDB 2 a result that is not fetched blocks the connection.
        return self._con.execute(query, parameters).fetchall()

    def _load(self, plain: Path) -> Count:
        self._run(sql.load({None: [str(plain)]}, str(plain.parent)))
        counts = self._run(sql.COUNTS)
        return Count(*counts[0][1:]) if counts else Count()

    def _write(self, query: str, path: Path) -> None:
        try:
            self._run(
                f"copy ({query}) to '{path}' (format parquet, compression zstd, "
                f"parquet_version v2, row_group_size {self._row_group})"
            )
        except duckdb.IOException as problem:
            raise OSError(f"{path.name} cannot be written ({problem})") from None


def _copy(path: Path, plain: Path) -> int:
    """Unpack a file under a name without odd characters; its size."""
    size = 0
    with open(plain, "wb") as stream:
        for line in lines(path):
            if len(line.content) > sql.MAX_LINE_BYTES:
                raise InputError(
                    "line_too_long",
                    f"has more than {sql.MAX_LINE_BYTES // 1024**2} MiB in one line; {_AGAIN}",
                    line.number,
                )
            size += stream.write(line.content) + stream.write(b"\n")
    return size


def _check(count: Count) -> None:
    """Refuse what has no row for each question."""
    if not count.n_lines:
        raise InputError("empty", f"is empty; {_AGAIN}")
    if n := count.n_lines - count.n_ids:
        raise InputError("no_doc_id", f"has {n} lines without a whole doc_id; {_AGAIN}")
    if n := count.n_lines - count.n_docs:
        raise InputError("repeated_doc", f"repeats a doc_id in {n} lines; {_AGAIN}")
    if n := count.n_fractions:
        raise InputError("not_an_index", f"has {n} lines with an index that is none; {_AGAIN}")


def _why_not(path: Path, said: str) -> InputError:
    """Which line cannot be read; DuckDB counts lines by the way it reads them."""
    for line in lines(path):
        try:
            record = json.loads(line.content)
        except (ValueError, RecursionError):
            return InputError("not_json", f"is no whole JSON; {_AGAIN}", line.number)
        if not isinstance(record, dict):
            return InputError("not_json", f"is no JSON object; {_AGAIN}", line.number)
    found = re.search(r"in line \d+: (.*)", said)
    why = (found[1] if found else said.partition("\n")[0])[:200]
    return InputError("unknown_shape", f"holds predictions of another shape ({why}); {_AGAIN}")
