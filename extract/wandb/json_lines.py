"""JSON Lines exports, read as their documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract.errors import InputError
from extract.inputs import lines


def documents(path: Path) -> Iterator[tuple[int, Any] | InputError]:
    """(line, document) for each line; an ``InputError`` for one that is unreadable."""
    is_empty = True
    try:
        for line in lines(path):
            is_empty = False
            try:
                yield line.number, json.loads(line.content)
            except (ValueError, RecursionError) as problem:
                yield _malformed(line.number, line.is_last, problem)
    except InputError as problem:
        yield problem
        return
    if is_empty:
        yield InputError("empty", "is empty: nothing to land; export it again")


def _malformed(number: int, is_last: bool, problem: Exception) -> InputError:
    if is_last:
        return InputError(
            "truncated_line",
            "is cut off (the last line, without a line end): the export was interrupted; the "
            "lines before it have landed, export again",
            line=number,
        )
    return InputError(
        "malformed_line", f"is not JSON ({problem}); the other lines have landed", line=number
    )
