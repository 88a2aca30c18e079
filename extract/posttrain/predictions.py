"""Predictions of one results directory, from JSON to one Parquet file, in bounded memory.

Tasks of many kinds are among them: what the columns of a multiple-choice question do not hold
(texts that were generated, other metrics) is kept as JSON in `extra`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from extract.errors import InputError
from extract.inputs import Line
from extract.olmes import sql
from extract.olmes.task import Count
from extract.posttrain.files import lines_of, nothing_landed

# Generated texts are long, 0.2 GB of JSON in a file. DuckDB needs a hundred times the size of what
# it takes apart, so a file goes in pieces: 0.3 GB of memory, as fast as with pieces of 16 MB.
PIECE_BYTES = 1024**2
# What one line of the largest size needs.
MEMORY_LIMIT = "1GB"
# Rows are written in groups that are held in memory.
ROW_GROUP_BYTES = 32 * 1024**2
MIN_ROW_GROUP, MAX_ROW_GROUP = 2048, 122_880
# A group of long texts would not fit: these go into files of their own.
LONG_ROW_BYTES = ROW_GROUP_BYTES // MIN_ROW_GROUP
_UNREADABLE = (duckdb.InvalidInputException, duckdb.DataError)
_AGAIN = "copy the file again, or evaluate the task again"


@dataclass(frozen=True)
class Piece:
    """Some lines of a file, converted."""

    path: Path
    sha256: str  # of the whole file
    n_rows: int
    n_bytes: int  # of JSON


@dataclass(frozen=True)
class Converted:
    """A Parquet file that lands, and the files whose predictions are in it."""

    path: Path
    n_rows: int
    sha256s: tuple[str, ...]


class Converter:
    """Converts files into the folder of a batch; one Parquet file holds them all in the end.

    Long texts are in more: a group of rows has to fit into memory.
    """

    def __init__(
        self, folder: Path, clean: Callable[[str | None, str | None], tuple[str | None, str | None]]
    ) -> None:
        """``clean`` takes personal data out of an `extra` and a native id, both of them JSON."""
        self._folder = folder
        self._clean = clean
        self._written: list[Piece] = []
        self._n_pieces = 0
        self._row_group = MAX_ROW_GROUP
        self._con = duckdb.connect(
            config={"threads": 1, "memory_limit": MEMORY_LIMIT, "temp_directory": ""}
        )

    def close(self) -> None:
        self._con.close()

    def add(self, path: Path, sha256: str) -> int:
        """Convert a file; the number of its questions."""
        pieces: list[Piece] = []
        try:
            for plain in self._plain_pieces(path):
                pieces.append(self._convert(plain, sha256))
            n_rows = self._check_docs(pieces)
        except _UNREADABLE as problem:
            self._remove(pieces)
            raise _why_not(path, str(problem)) from None
        except duckdb.OutOfMemoryException:
            self._remove(pieces)
            why = f"does not fit into memory ({MEMORY_LIMIT}, MEMORY_LIMIT); {_AGAIN}"
            raise InputError("too_large", why) from None
        except duckdb.IOException as problem:
            raise OSError(f"{path.name} cannot be converted ({problem})") from None
        except duckdb.Error as problem:
            self._remove(pieces)
            raise _why_not(path, str(problem)) from None
        except InputError as problem:
            self._remove(pieces)
            raise nothing_landed(problem) from None
        self._written += pieces
        return n_rows

    def _plain_pieces(self, path: Path) -> Iterator[Path]:
        """The file in pieces, unpacked, under a name without odd characters."""
        plain = self._folder / "predictions.jsonl"
        try:
            pending = lines_of(path)
            while _copy_piece(pending, plain):
                yield plain
        finally:
            plain.unlink(missing_ok=True)

    def _convert(self, plain: Path, sha256: str) -> Piece:
        self._run(sql.load({None: [str(plain)]}, str(plain.parent)))
        _check(Count(*self._run(sql.COUNTS)[0][1:]))
        self._run(sql.EXTRA, [plain.stem, str(plain)])
        self._clean_rows()
        target = self._folder / f"predictions-{self._n_pieces}.parquet"
        self._n_pieces += 1
        self._write(
            f"select '{sha256}' as predictions_sha256, * exclude (task) from ("
            f"select task_hash, model_hash, {sql.QUESTIONS} from questions)",
            target,
        )
        n_rows = self._run("select count(*) from questions")[0][0]
        self._run("drop table questions")
        n_bytes = plain.stat().st_size
        fitting = ROW_GROUP_BYTES * n_rows // n_bytes // MIN_ROW_GROUP * MIN_ROW_GROUP
        self._row_group = min(self._row_group, max(fitting, MIN_ROW_GROUP))
        return Piece(target, sha256, n_rows, n_bytes)

    def _clean_rows(self) -> None:
        """Take personal data out of the only columns with any text that is not the benchmark's."""
        rows = self._run(
            "select rowid, extra, native_id_json from questions "
            """where extra is not null or native_id_json[1] = '"'"""
        )
        changed = [
            (number, *new) for number, *old in rows if (new := self._clean(*old)) != tuple(old)
        ]
        if changed:
            self._run(
                "update questions set extra = new.extra, native_id_json = new.native_id from ("
                "select unnest(?::bigint[]) as number, unnest(?::varchar[]) as extra, "
                "unnest(?::varchar[]) as native_id) as new where questions.rowid = new.number",
                [list(column) for column in zip(*changed, strict=True)],
            )

    def _check_docs(self, pieces: list[Piece]) -> int:
        """Refuse a file that is empty or tells of a document twice; its rows."""
        if not pieces:
            raise InputError("empty", f"is empty; {_AGAIN}")
        query = f"select count(*), count(distinct doc_id) from {_parquet(pieces)}"
        ((n_rows, n_docs),) = self._run(query)
        if n := n_rows - n_docs:
            raise InputError("repeated_doc", f"repeats a doc_id in {n} lines; {_AGAIN}")
        return n_rows

    def _remove(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            piece.path.unlink()

    def merge(self) -> Iterator[Converted]:
        """As few files as can be of all that has been converted."""
        for number, pieces in enumerate(_bundles(self._written)):
            target = self._folder / f"questions{number or ''}.parquet"
            try:
                self._write(f"select * from {_parquet(pieces)}", target)
            except duckdb.OutOfMemoryException:
                target.unlink(missing_ok=True)
                for piece in pieces:  # each of them did fit
                    yield Converted(piece.path, piece.n_rows, (piece.sha256,))
                continue
            self._remove(pieces)
            sha256s = sorted({piece.sha256 for piece in pieces})
            yield Converted(target, sum(piece.n_rows for piece in pieces), tuple(sha256s))

    def _run(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        # All of it: in DuckDB 2 a result that is not fetched blocks the connection.
        return self._con.execute(query, parameters).fetchall()

    def _write(self, query: str, path: Path) -> None:
        try:
            self._run(
                f"copy ({query}) to '{path}' (format parquet, compression zstd, "
                f"parquet_version v2, row_group_size {self._row_group})"
            )
        except duckdb.IOException as problem:
            raise OSError(f"{path.name} cannot be written ({problem})") from None


def _bundles(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Which pieces go into one file: all with short rows, and of the others as many as fit."""
    is_long = [piece.n_bytes > piece.n_rows * LONG_ROW_BYTES for piece in pieces]
    if not all(is_long):
        yield [piece for piece, long in zip(pieces, is_long, strict=True) if not long]
    bundle: list[Piece] = []
    for piece, long in zip(pieces, is_long, strict=True):
        if long:
            bundle.append(piece)
            if sum(one.n_bytes for one in bundle) >= ROW_GROUP_BYTES:
                yield bundle
                bundle = []
    if bundle:
        yield bundle


def _parquet(pieces: Sequence[Piece]) -> str:
    return "read_parquet([" + ", ".join(f"'{piece.path}'" for piece in pieces) + "])"


def _copy_piece(pending: Iterator[Line], plain: Path) -> int:
    """Write the next lines; how many bytes there were."""
    size = 0
    with open(plain, "wb") as stream:
        for line in pending:
            if len(line.content) > sql.MAX_LINE_BYTES:
                raise InputError(
                    "line_too_long",
                    f"has more than {sql.MAX_LINE_BYTES // 1024**2} MiB in one line; {_AGAIN}",
                    line.number,
                )
            size += stream.write(line.content) + stream.write(b"\n")
            if size >= PIECE_BYTES:
                break
    return size


def _check(count: Count) -> None:
    """Refuse what has no row for each question."""
    if count.n_lines > count.n_ids:
        raise InputError("no_doc_id", f"has lines without a whole doc_id; {_AGAIN}")
    if count.n_lines > count.n_docs:
        raise InputError("repeated_doc", f"repeats a doc_id; {_AGAIN}")
    if count.n_fractions:
        raise InputError("not_an_index", f"has lines with an index that is none; {_AGAIN}")


def _why_not(path: Path, said: str) -> InputError:
    """Which line cannot be read; DuckDB counts lines by the way it reads them."""
    for line in lines_of(path):
        try:
            record = json.loads(line.content)
        except (ValueError, RecursionError):
            return InputError("not_json", f"is no whole JSON; {_AGAIN}", line.number)
        if not isinstance(record, dict):
            return InputError("not_json", f"is no JSON object; {_AGAIN}", line.number)
    found = re.search(r"in line \d+: (.*)", said)
    why = (found[1] if found else said.partition("\n")[0])[:200]
    why = re.sub(r"\"[^\"]*\"?|'[^']*'?", "...", why)  # of the file, whoever it names
    return InputError("unknown_shape", f"holds predictions of another shape ({why}); {_AGAIN}")
