"""JSON exports, read as their documents: a document a line, or arrays and documents over lines.

Line by line where the first line is a document of its own: then one that is broken hides no other.
Else value by value, the elements of an array one at a time, so that a table of gigabytes on one
line, or one value on many, is read in bounded memory.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extract import inputs
from extract.errors import FileError, InputError

# What is looked at to tell the layout. A first line that is longer is read value by value, too.
LAYOUT_BYTES = 1024 * 1024
# The longest a number gets that is written as one, and no integer of hundreds of digits.
NUMBER_CHARACTERS = 32

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]*")
# What JSONDecoder says of a value that is not there yet: a cut may look like each of these.
_MAY_GO_ON = re.compile(r"[^\]},]*\Z")
# The whole table as one object: too long to be read, and its beginning says enough.
_BY_COLUMNS = re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*\{\s*"0"\s*:')

Documents = Iterator[tuple[int, Any] | InputError]


def documents(path: Path) -> Documents:
    """(line, document) for each document; an ``InputError`` for one that is unreadable."""
    start = inputs.head(path, LAYOUT_BYTES)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FileError(
            "not_utf8",
            "is UTF-16 text, as a Windows shell writes it; convert it with: iconv -f UTF-16 -t "
            "UTF-8",
        )
    if _BY_COLUMNS.match(start.decode("utf-8", "replace")):
        raise by_columns()
    try:
        is_empty = True
        for document in _by_values(path) if _goes_over_lines(start) else _by_lines(path):
            is_empty = False
            yield document
    except FileError:
        raise
    except InputError as problem:
        yield problem
        return
    if is_empty:
        yield InputError("empty", "is empty: nothing to land; export it again")


def by_columns() -> FileError:
    """What is said of a table that is written column by column."""
    return FileError(
        "by_columns",
        "is a table written column by column; write a record for each row instead, as "
        "pandas' to_json(FILE, orient='records', lines=True) does",
    )


def _goes_over_lines(start: bytes) -> bool:
    """Whether the first document is no line of its own."""
    lines = start.lstrip().split(b"\n", 1)
    is_cut = len(lines) == 1 and len(start) == LAYOUT_BYTES
    if is_cut:
        return lines[0].startswith(
            b"["
        )  # a longer object is read by lines, and refused if too long
    try:
        json.loads(lines[0])
    except (ValueError, RecursionError):
        pass
    else:
        return False
    if lines[0].startswith(b"["):
        # An array that begins on this line, unless it is a line that is cut and others follow.
        return len(lines) == 1 or not lines[1].lstrip().startswith(b"[") or not lines[0][1:].strip()
    if not lines[0].startswith(b"{"):
        return False
    text = start.decode("utf-8", "replace").lstrip()
    try:
        _DECODER.raw_decode(text)
    except json.JSONDecodeError as problem:
        # The document is longer than what was looked at; else it is a line that is broken.
        return len(start) == LAYOUT_BYTES and _MAY_GO_ON.match(text, problem.pos) is not None
    except RecursionError:
        return False
    return True


def _by_lines(path: Path) -> Documents:
    for line in inputs.lines(path):
        try:
            yield line.number, json.loads(line.content)
        except (ValueError, RecursionError) as problem:
            yield _malformed(line.number, line.is_last, problem)


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


def _by_values(path: Path) -> Documents:
    """The documents of a sequence of values, and the elements of those that are arrays."""
    text = _Text(path)
    while text.skip_blank():
        if text.peek() != "[":
            yield text.value()
            continue
        text.step()
        is_first = True
        while True:
            if not text.skip_blank():
                raise text.cut()
            if text.peek() == "]":
                text.step()
                break
            if not is_first:
                if text.peek() != ",":
                    raise text.broken("a comma between two elements is missing")
                text.step()
                if not text.skip_blank():
                    raise text.cut()
                if text.peek() == "]":  # a comma behind the last element, as people write it
                    continue
            yield text.value()
            is_first = False


class _Text:
    """The text of a file that is decoded as it is needed, and where one has read to."""

    def __init__(self, path: Path) -> None:
        self._chunks = inputs.chunks(path)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._is_whole = False

    def skip_blank(self) -> bool:
        """Go to the next character that is not blank; False at the end."""
        while True:
            end = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            self._move(end)
            if end < len(self._text):
                return True
            if not self._more(inputs.CHUNK_BYTES):
                return False

    def peek(self) -> str:
        return self._text[self._at]

    def step(self) -> None:
        self._at += 1

    def value(self) -> tuple[int, Any]:
        """The value that begins here, and the line it begins in."""
        wanted = inputs.CHUNK_BYTES
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                may_go_on = _MAY_GO_ON.match(self._text, error.pos) is not None
                if self._is_whole and (may_go_on or "Unterminated" in error.msg):
                    raise self.cut() from None
                if not may_go_on and "Unterminated" not in error.msg:
                    raise self.broken(error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:  # a number of 5000 digits
                raise self.broken(str(error)) from None
            else:
                # A number near the end of what has been read may have more digits.
                margin = NUMBER_CHARACTERS if isinstance(value, int | float) else 0
                if self._is_whole or end + margin < len(self._text):
                    line = self._line
                    self._move(end)
                    return line, value
            if len(self._text) - self._at > inputs.MAX_LINE_BYTES:
                raise InputError(
                    "record_too_long",
                    f"holds a record of more than {inputs.MAX_LINE_BYTES // 2**20} MiB; expected "
                    "one for each run or history row",
                    line=self._line,
                )
            self._more(wanted)
            wanted *= 2  # so that a large value is not begun again for every piece of it

    def cut(self) -> InputError:
        return InputError(
            "truncated_array",
            "is cut off (the array ends before its bracket closes): the export was interrupted; "
            "the records before have landed, export again",
            line=self._line,
        )

    def broken(self, why: str, at: int | None = None) -> InputError:
        line = self._line + (self._text.count("\n", self._at, at) if at else 0)
        return InputError(
            "malformed_array",
            f"is not JSON from here on ({why}); the records before have landed, mend the file and "
            "land it again",
            line=line,
        )

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self, wanted: int) -> bool:
        """Read on, and forget what has been read; False when there is no more."""
        if self._is_whole:
            return False
        parts = [self._text[self._at :]]
        size = 0
        while size < wanted:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._is_whole = True
                parts.append(self._decoded(b"", final=True))
                break
            size += len(chunk)
            parts.append(self._decoded(chunk))
        self._text = "".join(parts)
        self._at = 0
        return True

    def _decoded(self, chunk: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(chunk, final)
        except UnicodeDecodeError as problem:
            raise InputError(
                "not_utf8", f"is not UTF-8 ({problem}); the records before have landed", self._line
            ) from None
