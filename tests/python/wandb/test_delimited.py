"""CSV as pandas, polars, R and spreadsheets write it: what a cell says, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from extract.errors import FileError, InputError
from extract.wandb import delimited
from extract.wandb.delimited import looks_like_export


def read(path: Path, text: str | bytes) -> list[Any]:
    """(line, document) of each row, and (line, reason) of what is refused."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return [
        (found.line, found.reason) if isinstance(found, InputError) else found
        for found in delimited.documents(path)
    ]


def row(tmp_path: Path, text: str | bytes) -> dict[str, Any]:
    ((_, found),) = read(tmp_path / "h.csv", text)
    return found


def refusal(tmp_path: Path, text: str | bytes) -> tuple[str, str]:
    with pytest.raises(FileError) as caught:
        read(tmp_path / "h.csv", text)
    return caught.value.reason, str(caught.value)


# -- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("7", 7), ("-7", -7), ("1e-05", 1e-5), (".5", 0.5), ("5.", 5.0), ("1180591620717411303424",
        2**70), ("inf", math.inf), ("-Infinity", -math.inf), ("True", True), ("FALSE", False),
        ("007", "007"), ("1e5x", "1e5x"), ("1_000", "1_000"), ("0x10", "0x10"), ("-", "-"),
        (" 7", " 7"), ('"a,b"', "a,b"), ('"a\n""b"""', 'a\n"b"'), ("None", "None"),
        ("{'a': 1}", "{'a': 1}"), ("2025-09-01 00:00:00", "2025-09-01 00:00:00"),
    ],
)  # fmt: skip
def test_a_cell_is_what_it_looks_like(tmp_path: Path, cell: str, value: Any) -> None:
    assert row(tmp_path, f"_step,x\n1,{cell}\n") == {"_step": 1, "x": value}


def test_not_a_number_is_kept_and_an_empty_cell_is_missing(tmp_path: Path) -> None:
    found = row(tmp_path, "_step,x,y,z\n1,nan,NaN,\n")
    assert found.keys() == {"_step", "x", "y"}
    assert math.isnan(found["x"]) and math.isnan(found["y"])


def test_what_names_something_is_text(tmp_path: Path) -> None:
    """`3e847291` is a run, and so is 12345678."""
    text = "run_id,project,name,tags,x\n3e847291,1e5,007,true,1e5\n"
    assert row(tmp_path, text) == {
        "run_id": "3e847291", "project": "1e5", "name": "007", "tags": "true", "x": 1e5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "config"),
    [
        ('"{""a"": NaN, ""b"": null}"', {"a": math.nan, "b": None}),
        ("\"{'a': nan, 'b': -inf, 'c': (1, 'x'), 'd': {1: True}}\"",
         {"a": math.nan, "b": -math.inf, "c": [1, "x"], "d": {"1": True}}),
        ("\"{'a': <object at 0x1>}\"", "{'a': <object at 0x1>}"),
        ("\"{**{'a': 1}}\"", "{**{'a': 1}}"),
    ],
)  # fmt: skip
def test_payloads_in_the_words_of_json_and_of_python(
    tmp_path: Path, cell: str, config: Any
) -> None:
    assert repr(row(tmp_path, f"run_id,config\nr,{cell}\n")["config"]) == repr(config)


# -- tables ---------------------------------------------------------------------------------------

EXPECTED = [(2, {"_step": 0, "loss": 0.5}), (3, {"_step": 1, "loss": 0.25, "t": "a"})]
TABLES = {
    "plain": "_step,loss,t\n0,0.5,\n1,0.25,a\n",
    "no last line end": "_step,loss,t\n0,0.5,\n1,0.25,a",
    "index": ",_step,loss,t\n0,0,0.5,\n1,1,0.25,a\n",
    "index read back": "Unnamed: 0,_step,loss,t\n0,0,0.5,\n1,1,0.25,a\n",
    "two indexes": "Unnamed: 0.1,Unnamed: 0,_step,loss,t\n0,0,0,0.5,\n1,1,1,0.25,a\n",
    "tabs": "_step\tloss\tt\n0\t0.5\t\n1\t0.25\ta\n",
    "bars": "_step|loss|t\n0|0.5|\n1|0.25|a\n",
    "decimal commas": "_step;loss;t\n0;0,5;\n1;0,25;a\n",
    "carriage returns": "_step,loss,t\r\n0,0.5,\r\n1,0.25,a\r\n",
    "byte order mark": "\ufeff_step,loss,t\n0,0.5,\n1,0.25,a\n",
    "all quoted": '"_step","loss","t"\n"0","0.5",""\n"1","0.25","a"\n',
    "R": '"","X_step","loss","t"\n"1",0,0.5,\n"2",1,0.25,"a"\n',
}


@pytest.mark.parametrize("table", TABLES)
def test_the_same_rows_of_every_tool(tmp_path: Path, table: str) -> None:
    assert read(tmp_path / "h.csv", TABLES[table]) == EXPECTED


def test_a_comma_in_a_name_and_lines_in_a_cell(tmp_path: Path) -> None:
    text = '_step,"a,b",note\n0,1,"two\nlines"\n\n1,2,one\n'
    assert read(tmp_path / "h.csv", text) == [
        (2, {"_step": 0, "a,b": 1, "note": "two\nlines"}),
        (5, {"_step": 1, "a,b": 2, "note": "one"}),
    ]


def test_a_ragged_row_is_refused_and_the_others_land(tmp_path: Path) -> None:
    text = "_step,loss\n0,1\n1\n2,3,4\n3,5\n"
    assert read(tmp_path / "h.csv", text) == [
        (2, {"_step": 0, "loss": 1}), (3, "ragged_row"), (4, "ragged_row"),
        (5, {"_step": 3, "loss": 5}),
    ]  # fmt: skip


def test_rows_before_a_letter_that_is_not_utf8_land(tmp_path: Path) -> None:
    rows = "".join(f"{n},x\n" for n in range(3))
    found = read(tmp_path / "h.csv", f"_step,t\n{rows}".encode() + b"3,caf\xe9\n")
    assert found[-1][1] == "not_utf8"


@pytest.mark.parametrize("text", ["", "\n\n", "_step,loss\n", "_step,loss\n\n"])
def test_a_table_without_rows_is_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path / "h.csv", text) == [(None, "empty")]


# -- refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason", "way_out"),
    [
        ('"Step","r - loss","r - loss__MIN","r - loss__MAX"\n0,1,1,1\n', "chart", "extract wandb"),
        ('"train/step","r - a","r - a__MIN","r - a__MAX"\n0,1,1,1\n', "chart", "scan_history"),
        ('"Wall Time","r - loss"\n0,1\n', "chart", "extract wandb"),
        ('"Name","State","loss"\n"r","finished",1\n', "web_table", "extract wandb"),
        ('"Name","Runtime","loss"\n"r",10,1\n', "web_table", "extract wandb"),
        ("name,config,summary\nr,{},{}\n", "no_run_id", "column run_id"),
        ("_step,loss,loss\n0,1,2\n", "repeated_column", "rename"),
        ("_step,loss\r0,1\r1,2\r", "old_line_ends", "tr "),
        ("_step,loss\n0,1\n".encode("utf-16"), "not_utf8", "iconv"),
        ("_step,loss\n0,1\n".encode("utf-16-le"), "not_utf8", "iconv"),
        ("_step,loss\n0,1\n".encode("utf-16-be"), "not_utf8", "iconv"),
    ],
)  # fmt: skip
def test_a_table_that_is_no_export_is_refused_with_its_way_out(
    tmp_path: Path, text: str | bytes, reason: str, way_out: str
) -> None:
    found, message = refusal(tmp_path, text)
    assert (found, way_out in message) == (reason, True), message


@pytest.mark.parametrize(
    ("start", "is_export"),
    [
        (b"_step,loss\n", True), (b"run_id\tloss\n", True), (b'"_timestamp";"x"\n', True),
        (b",_runtime,x\n0,1", True), (b"_step\n", False), (b"step,loss\n", False),
        (b"what _step, and run_id\n", False), (b"", False), (b"x" * 200_000, False),
        (b"a\rb,_step\r", False), (b"\xff\xfe_step,loss\n", False),
    ],
)  # fmt: skip
def test_a_text_of_another_name_is_told_by_its_header(start: bytes, is_export: bool) -> None:
    assert looks_like_export(start) is is_export
