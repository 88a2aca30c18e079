"""CSV exports, read as the documents of JSON Lines ones: `run.history().to_csv()` and its kind.

A cell is what it looks like: a number, true or false, NaN or infinity, else the text itself; an
empty one is missing. What names something is text, whatever it looks like: `3e847291` is a run.
"""

from __future__ import annotations

import ast
import codecs
import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from extract import inputs
from extract.errors import FileError, InputError
from extract.wandb.records import RUN_PAYLOADS, RUN_RENAMES

SUFFIXES = (".csv", ".tsv")
DELIMITERS = ",\t;|"
# What is looked at to find the header.
HEADER_BYTES = 1024 * 1024

# The index of a table, as pandas and R write it and as pandas reads its own.
_INDEX = re.compile(r"|Unnamed: [\d.]+")
_CLOCKS = frozenset({"_step", "_timestamp", "_runtime"})
_EXPORT_COLUMNS = _CLOCKS | {"run_id"}
_TEXT_COLUMNS = frozenset(
    {
        "run_id", "id", "run_name", "name", "display_name", "displayName", "entity", "project",
        "state", "group", "job_type", "sweep_name", "commit", "notes", "description", "tags",
        "user", "username", "created_at", "updated_at", "heartbeat_at", "createdAt", "updatedAt",
        "heartbeatAt", "exported_at",
    }
)  # fmt: skip
_PAYLOADS = {*RUN_PAYLOADS, *(old for old, new in RUN_RENAMES.items() if new in RUN_PAYLOADS)}
# R makes names of its own of those with an underscore in front.
_R_NAMES = {f"X{name}": name for name in ("_step", "_timestamp", "_runtime", "_wandb")}

_INTEGER = re.compile(r"[+-]?(?:0|[1-9]\d*)")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_WORDS: dict[str, Any] = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "nan": math.nan, "NaN": math.nan, "inf": math.inf, "Inf": math.inf, "Infinity": math.inf,
    "-inf": -math.inf, "-Inf": -math.inf, "-Infinity": -math.inf,
}  # fmt: skip
_CHART_AXES = frozenset({"Step", "Wall Time", "Relative Time (Wall)", "Relative Time (Process)"})
_CHART_BOUNDS = ("__MIN", "__MAX")


def looks_like_export(start: bytes) -> bool:
    """Whether a text of this beginning has a header with the columns of an export."""
    text = start.decode("utf-8", "replace")
    names = set(_header(text, _delimiter(text)))
    return len(names) > 1 and not _EXPORT_COLUMNS.isdisjoint(names)


def _header(text: str, delimiter: str) -> list[str]:
    """The first row of a delimited text, of which this is the beginning."""
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def documents(path: Path) -> Iterator[tuple[int, Any] | InputError]:
    """(line, document) for each row; an ``InputError`` for one that is unreadable."""
    start = inputs.head(path, HEADER_BYTES)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FileError(
            "not_utf8", "is UTF-16 text; save it as CSV in UTF-8, or convert it with iconv"
        )
    if not start.strip():
        yield InputError("empty", "is empty: nothing to land; export it again")
        return
    text = start.decode("utf-8", "replace")
    delimiter = _delimiter(text)
    names = [_R_NAMES.get(name, name) for name in _header(text, delimiter)]
    _check(names)
    cells = [_cell_reader(name, delimiter) for name in names]
    csv.field_size_limit(inputs.MAX_LINE_BYTES)  # its own limit is 128 KiB
    reader = csv.reader(_texts(path), delimiter=delimiter)
    line = 0
    is_empty = True
    try:
        for position, row in enumerate(reader):
            line, begins = reader.line_num, line + 1
            if position == 0 or not row:
                continue
            is_empty = False
            if len(row) != len(names):
                yield InputError(
                    "ragged_row",
                    f"has {len(row)} cells where the header has {len(names)}; the other rows have "
                    "landed",
                    line=begins,
                )
                continue
            values = (read(cell) if cell else None for read, cell in zip(cells, row, strict=True))
            yield (
                begins,
                {
                    name: value
                    for name, value in zip(names, values, strict=True)
                    if value is not None and not _INDEX.fullmatch(name)
                },
            )
    except csv.Error as problem:
        yield InputError("malformed_csv", f"is not CSV from here on ({problem})", line=line + 1)
    except InputError as problem:
        yield problem
        return
    if is_empty:
        yield InputError("empty", "has a header and no rows: nothing to land; export it again")


def _delimiter(text: str) -> str:
    """What stands most often between the names of the header, outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(DELIMITERS, key=lambda mark: (bare.count(mark), -DELIMITERS.index(mark)))


def _check(names: Sequence[str]) -> None:
    """Refuse the tables that look like an export and are none."""
    known = set(names)
    if known.isdisjoint(_EXPORT_COLUMNS | {"id"}):
        if any(name.endswith(_CHART_BOUNDS) for name in names) or (
            names[0] in _CHART_AXES and any(" - " in name for name in names[1:])
        ):
            raise FileError(
                "chart",
                "is a chart's table from the web page: sampled points with their MIN and MAX, not "
                "the history; land the runs with `python -m extract wandb ENTITY/PROJECT`, or "
                "write run.scan_history() to a file",
            )
        if {"Name", "State"} <= known or {"Name", "Runtime"} <= known:
            raise FileError(
                "web_table",
                "is a table of runs from the web page, without their ids and configs; land the "
                "runs with `python -m extract wandb ENTITY/PROJECT`",
            )
        if {"name", "config"} <= known or {"name", "summary"} <= known:
            raise FileError(
                "no_run_id",
                "is a table of runs by their display names, which need not be unique; write a "
                "column run_id too, with run.id",
            )
    named = [name for name in names if not _INDEX.fullmatch(name)]
    if repeated := next((name for name in named if named.count(name) > 1), None):
        raise FileError(
            "repeated_column", f"has two columns called {repeated!r}; rename one and land it again"
        )


def _texts(path: Path) -> Iterator[str]:
    """The file line by line, with the line ends, which may stand inside quotes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    pending = ""
    try:
        for chunk in inputs.chunks(path):
            pending += decoder.decode(chunk)
            *lines, pending = pending.split("\n")
            for line in lines:
                yield line + "\n"
            if len(pending) > inputs.MAX_LINE_BYTES:
                raise InputError("line_too_long", "has a line that never ends; check what it is")
        pending += decoder.decode(b"", True)
    except UnicodeDecodeError as problem:
        raise InputError(
            "not_utf8",
            f"is not UTF-8 ({problem}); the rows before have landed, save it as UTF-8 and land it "
            "again",
        ) from None
    if pending:
        yield pending


def _cell_reader(name: str, delimiter: str) -> Callable[[str], Any]:
    if name in _PAYLOADS:
        return _payload
    if name in _TEXT_COLUMNS:
        return str
    return _value_with_comma if delimiter == ";" else _value


def _value(cell: str) -> Any:
    first = cell[0]
    if first in "0123456789+-.":
        if _INTEGER.fullmatch(cell) and len(cell) < 400:
            return int(cell)
        if _NUMBER.fullmatch(cell) and not _LEADING_ZERO.match(cell):
            return float(cell)
    return _WORDS.get(cell, cell)


def _value_with_comma(cell: str) -> Any:
    """Of a spreadsheet where the comma is the decimal point, and the semicolon parts the cells."""
    return float(cell.replace(",", ".")) if _DECIMAL_COMMA.fullmatch(cell) else _value(cell)


def _payload(cell: str) -> Any:
    """An object, also in the words of Python: what pandas writes of a dict."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return _literal(ast.parse(cell.strip(), mode="eval").body)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return cell


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Dict):
        keys = [_literal(key) for key in node.keys if key is not None]
        if len(keys) != len(node.values):
            raise ValueError(node)
        return {str(key): _literal(item) for key, item in zip(keys, node.values, strict=True)}
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Name) and node.id in ("nan", "inf"):
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Name):
        return -_literal(node.operand)
    return ast.literal_eval(node)
