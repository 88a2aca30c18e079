"""JSON in every layout that tools write it in: pandas, jq, R, polars, DuckDB and by hand."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from extract import inputs
from extract.landing.zone import LandingZone
from extract.wandb import json_text
from tests.python.testing import a_row, a_run, land, landed

ROWS = [
    {"run_id": "r", "entity": "e", "project": "p", "_step": n, "_timestamp": 1.7e9 + n,
     "loss": 0.5 / (n + 1), "note": 'a "quoted", [bracketed] {braced} text \\ with é\n'}
    for n in range(5)
]  # fmt: skip


def lines(rows: list[Any], between: str = "\n") -> str:
    return between.join(json.dumps(row) for row in rows)


LAYOUTS: dict[str, str] = {
    "lines": lines(ROWS) + "\n",
    "lines, no end": lines(ROWS),
    "lines with carriage returns": lines(ROWS, "\r\n") + "\r\n",
    "pandas, one line": json.dumps(ROWS, separators=(",", ":")),
    "pandas, indented": json.dumps(ROWS, indent=2),
    "with tabs": json.dumps(ROWS, indent="\t"),
    "an object a line": "[\n" + lines(ROWS, ",\n") + "\n]\n",
    "an object a line, commas in front": "[" + lines(ROWS, "\n,") + "\n]\n",
    "jsonlite, the bracket on the first line": "[" + lines(ROWS, ",\n") + "]",
    "with carriage returns": "[\r\n" + lines(ROWS, ",\r\n") + "\r\n]\r\n",
    "a comma too many": "[\n" + lines(ROWS, ",\n") + ",\n]\n",
    "jq without -c": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "jq without -c, of arrays": "\n".join(json.dumps([row], indent=2) for row in ROWS),
    "an array a line": "\n".join(json.dumps([row]) for row in ROWS),
    "two arrays": json.dumps(ROWS[:2], indent=1) + "\n" + json.dumps(ROWS[2:], indent=1),
    "blank lines before": "\n\n  \n" + json.dumps(ROWS, indent=2),
    "byte order mark": "\ufeff" + json.dumps(ROWS, indent=2),
    "non-ASCII": json.dumps(ROWS, indent=2, ensure_ascii=False),
}  # fmt: skip


def documents(path: Path) -> list[Any]:
    """All rows of all documents, arrays taken apart."""
    found: list[Any] = []
    for document in json_text.documents(path):
        assert isinstance(document, tuple), document
        found += document[1] if isinstance(document[1], list) else [document[1]]
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_rows(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "history.json"
    path.write_bytes(LAYOUTS[layout].encode())
    assert documents(path) == ROWS


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_a_piece_ends_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, chunk: int
) -> None:
    """A number, a text, an escape and a letter of two bytes may be cut by it."""
    monkeypatch.setattr(inputs, "CHUNK_BYTES", chunk)
    path = tmp_path / "history.json"
    path.write_bytes(LAYOUTS[layout].encode())
    assert documents(path) == ROWS


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress, lambda text: text]
)
@pytest.mark.parametrize("name", ["h.json", "H.JSON", "h.JSONL.gz", "h.json.XZ", "h.ndjson.bz2"])
def test_compressed_arrays_land(
    zone: LandingZone, tmp_path: Path, pack: Callable[[bytes], bytes], name: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(pack(json.dumps(ROWS, indent=1).encode()))
    summary = land(zone, tmp_path / "in")
    assert (summary.history_rows, summary.refused) == (5, 0)


@pytest.mark.parametrize("values", ["1", "12345678", "-1.5e-7", "null", "true", '"text"', "NaN"])
def test_bare_values_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: str
) -> None:
    monkeypatch.setattr(inputs, "CHUNK_BYTES", 3)
    path = tmp_path / "x.json"
    path.write_text(f"[\n{values},\n{values}\n]")
    assert repr(documents(path)) == repr(json.loads(path.read_text()))


def test_numbers_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('[\n{"a": 168631869269606400001, "b": NaN, "c": -Infinity}\n]')
    assert repr(documents(path)) == "[{'a': 168631869269606400001, 'b': nan, 'c': -inf}]"


def test_runs_of_one_array_are_records_of_their_own(zone: LandingZone, tmp_path: Path) -> None:
    """A record is known by its file and line; a whole table may stand in one line."""
    (tmp_path / "runs.json").write_text(json.dumps([a_run("a"), a_run("b"), a_run("a", state="x")]))
    assert land(zone, tmp_path / "runs.json").runs == 3
    assert len({run["line"] for run in landed(zone, "runs")}) == 3


# -- broken arrays --------------------------------------------------------------------------------


def refusal(zone: LandingZone, path: Path, text: str | bytes) -> tuple[int, str]:
    """How many rows land, and the one message."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    summary = land(zone, path)
    assert summary.refused == 1
    return summary.history_rows, summary.messages[0]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_that_is_cut_gives_what_came_before(
    zone: LandingZone, tmp_path: Path, indent: int | None
) -> None:
    text = json.dumps(ROWS, indent=indent)
    n_rows, message = refusal(zone, tmp_path / "h.json", text[:-20])
    assert n_rows == 4
    assert "is cut off" in message and "export again" in message


@pytest.mark.parametrize("between", [",\n", ",\n\n,"])
def test_a_broken_element_ends_the_array(zone: LandingZone, tmp_path: Path, between: str) -> None:
    text = "[\n" + lines(ROWS[:3], ",\n") + between + '{"run_id": oops},\n' + lines(ROWS[3:]) + "]"
    n_rows, message = refusal(zone, tmp_path / "h.json", text)
    assert n_rows == 3
    assert f"line {4 + between.count(chr(10))}" in message
    assert "is not JSON from here on" in message


def test_a_missing_comma(zone: LandingZone, tmp_path: Path) -> None:
    text = "[\n" + lines(ROWS, "\n") + "\n]"
    n_rows, message = refusal(zone, tmp_path / "h.json", text)
    assert (n_rows, "comma" in message) == (1, True)


def test_an_array_that_is_not_utf8(zone: LandingZone, tmp_path: Path) -> None:
    text = json.dumps(ROWS, indent=1).encode().replace(b"\\u00e9", b"\xe9")
    n_rows, message = refusal(zone, tmp_path / "h.json", text)
    assert n_rows == 0 and "UTF-8" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_utf16_of_a_windows_shell(zone: LandingZone, tmp_path: Path, encoding: str) -> None:
    bom = "" if encoding == "utf-16" else "\ufeff"
    text = (bom + lines(ROWS)).encode(encoding)
    n_rows, message = refusal(zone, tmp_path / "h.jsonl", text)
    assert n_rows == 0 and "iconv" in message


@pytest.mark.parametrize("text", ["[]", "[\n]", "[ ]\n[]\n"])
def test_an_empty_table_is_no_failure_of_its_lines(
    zone: LandingZone, tmp_path: Path, text: str
) -> None:
    (tmp_path / "h.json").write_text(text)
    assert land(zone, tmp_path / "h.json").history_rows == 0


@pytest.mark.parametrize("first", ['{"run_id": "x", ', '{"a": "b', "oops", "}"])
def test_a_first_line_that_is_cut_hides_no_other(
    zone: LandingZone, tmp_path: Path, first: str
) -> None:
    n_rows, message = refusal(zone, tmp_path / "h.jsonl", first + "\n" + lines(ROWS) + "\n")
    assert (n_rows, "line 1: is not JSON" in message) == (5, True)


def test_a_record_longer_than_the_limit_is_refused(
    zone: LandingZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_LINE_BYTES", 4000)
    monkeypatch.setattr(inputs, "CHUNK_BYTES", 64)
    text = json.dumps([ROWS[0], ROWS[1] | {"note": "x" * 20_000}, ROWS[2]], indent=1)
    n_rows, message = refusal(zone, tmp_path / "h.json", text)
    assert n_rows == 1 and "a record of more than" in message


# -- memory ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("indent", [None, 1])
def test_a_large_array_is_read_in_pieces(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "h.json"
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("[")
        for n in range(60_000):
            between = ("," if n else "") + ("\n" if indent else "")
            stream.write(between + json.dumps(a_row(n, note="x" * 100), indent=indent))
        stream.write("]")
    assert path.stat().st_size > 12_000_000
    tracemalloc.start()
    try:
        assert sum(1 for _ in json_text.documents(path)) == 60_000
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
