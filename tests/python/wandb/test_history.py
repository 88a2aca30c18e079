"""The collector of one run's history: which rows land, as what, and when all must be read again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from extract.landing.privacy import Pseudonymiser
from extract.landing.section import Section
from extract.wandb.history import HistoryCollector, RewrittenError
from extract.wandb.ledger import HistoryProgress, history_progress
from tests.python.wandb.test_plan import LANDED


class Collected:
    """Rows that were given to a collector, and what it made of them."""

    def __init__(
        self,
        rows: Iterable[dict[str, Any]],
        folder: Path,
        *,
        landed: HistoryProgress | None = None,
        keys: list[str] | None = None,
    ) -> None:
        section = Section(folder)
        pseudonymiser = Pseudonymiser("a key for tests, long enough")
        collector = HistoryCollector(section, "r", pseudonymiser, keys=keys, landed=landed)
        for row in rows:
            # Texts are given as they are, all else as the client would send it.
            collector.add(
                (name, value if isinstance(value, str) else json.dumps(value))
                for name, value in row.items()
            )
        self.progress = replace(
            LANDED, last_step=collector.last_step, last_rows=collector.last_rows()
        )
        compressed = b"".join(section.compressed())
        reader = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True)
        self.text = reader.read().decode()
        self.rows = [json.loads(line) for line in self.text.splitlines()]
        assert section.rows == len(self.rows)

    def numbers(self) -> list[int]:
        return [row["metrics"]["n"] for row in self.rows]


def row(step: int, n: int | None = None, **metrics: Any) -> dict[str, Any]:
    clocks = {"_step": step, "_timestamp": 1.7e9 + (step if n is None else n), "_runtime": 0.5}
    return clocks | ({} if n is None else {"n": n}) | metrics


# -- as what a row lands --------------------------------------------------------------------------


def landed_row(folder: Path, **fields: Any) -> dict[str, Any]:
    (found,) = Collected([fields], folder).rows
    assert found.pop("run_id") == "r"
    return found


def test_clocks_and_core_metrics_have_columns_the_rest_is_in_metrics(tmp_path: Path) -> None:
    core = {"train_loss": 0.5, "learning_rate": 1e-05, "total_tokens": 1000}
    assert landed_row(tmp_path, **row(3, 7), **core, step=9) == {
        "step": 3, "timestamp": 1.7e9 + 7, "runtime": 0.5, **core, "metrics": {"n": 7, "step": 9},
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["NaN", "Infinity", "-Infinity", '"NaN"', '"1e-5"', "true", f"{2**53 + 1}", '{"a":1}', "[1]",
     "9" * 30],
)  # fmt: skip
def test_what_a_double_cannot_hold_stays_in_metrics(tmp_path: Path, text: str) -> None:
    """As it came, to the letter."""
    found = Collected([{"_step": 1, "train_loss": text, "_timestamp": text}], tmp_path)
    (only,) = found.rows
    assert only.keys() == {"run_id", "step", "metrics"}
    assert f'"train_loss":{text}' in found.text and f'"_timestamp":{text}' in found.text


@pytest.mark.parametrize("text", ["0", "-0.0", "1.5", "-3e-7", f"{2**53}", f"-{2**53}", "1E+300"])
def test_what_a_double_can_hold_is_a_number(tmp_path: Path, text: str) -> None:
    assert landed_row(tmp_path, _step=1, train_loss=text) == {"step": 1, "train_loss": float(text)}


@pytest.mark.parametrize(
    ("text", "step"),
    [("100.0", 100), ("1e2", 100), ("-5", -5), (f"{2**63 - 1}", 2**63 - 1), (f"{2**63}", None),
     ("1.5", None), ("NaN", None), ('"7"', None), ("true", None)],
)  # fmt: skip
def test_steps(tmp_path: Path, text: str, step: int | None) -> None:
    found = landed_row(tmp_path, _step=text, x=1)
    assert found.get("step") == step
    assert ("_step" in found["metrics"]) == (step is None)


def test_missing_values_and_the_clients_own_are_left_out(tmp_path: Path) -> None:
    assert landed_row(tmp_path, _step=1, a=None, _wandb={"runtime": 3}, _custom=2) == {
        "step": 1,
        "metrics": {"_custom": 2},
    }


def test_names_and_texts_are_cleaned_and_escaped(tmp_path: Path) -> None:
    quoted = json.dumps('a "quote" \\ and\nmore')
    found = Collected(
        [{"_step": 1, 'ü"\\': 1, "t": quoted, "path": '"/home/curie/x.png"'}], tmp_path
    )
    metrics = found.rows[0]["metrics"]
    assert metrics['ü"\\'] == 1 and metrics["t"] == 'a "quote" \\ and\nmore'
    assert "curie" not in found.text


def test_the_order_of_the_keys_does_not_show(tmp_path: Path) -> None:
    one = row(1, 1, b=2, a={"z": 1}, **{"c/d": 3})
    other = dict(reversed(one.items()))
    metrics = [Collected([each], tmp_path).text.split('"metrics":')[1] for each in (one, other)]
    assert metrics == ['{"a":{"z":1},"b":2,"c/d":3,"n":1}}\n'] * 2


def test_only_the_keys_that_are_asked_for(tmp_path: Path) -> None:
    """Rows without one of them do not land; what the clocks say does not count."""
    rows = [row(0, train_loss=1, a=1), row(1, b=2), row(2), row(3, a=None), row(4, a=5, b=6)]
    found = Collected(rows, tmp_path, keys=["a", "train_loss"])
    assert [one["step"] for one in found.rows] == [0, 4]
    assert found.rows[0]["train_loss"] == 1 and found.rows[1]["metrics"] == {"a": 5}
    assert found.progress.last_step == 4


# -- which rows land ------------------------------------------------------------------------------

ROWS = [row(n, n) for n in range(6)]


def test_rows_without_a_step_all_land(tmp_path: Path) -> None:
    assert len(Collected([{"x": 1}, {"x": 1}, {"x": 2}], tmp_path).rows) == 3


def test_rows_of_one_step_that_differ_all_land(tmp_path: Path) -> None:
    rows = [row(1, n) for n in range(3)] + [row(2, 3)]
    assert Collected(rows, tmp_path).numbers() == [0, 1, 2, 3]


def test_a_page_that_brings_rows_twice(tmp_path: Path) -> None:
    """Exported and live, mixed within a step, the keys in any order."""
    rows = [row(n // 4, n) for n in range(12)]
    twice = [dict(reversed(one.items())) for one in rows[:6]] + rows
    random.Random(1).shuffle(twice)
    twice.sort(key=lambda one: one["_step"])
    assert sorted(Collected(twice, tmp_path).numbers()) == list(range(12))


def test_a_row_that_comes_twice_in_other_types(tmp_path: Path) -> None:
    """A Parquet column has one type, so 1.5 may be a text there, and an object have more fields."""
    live = row(1, 1, loss=1.5, train_loss=2.5, o={"a": 1})
    exported = row(1, 1, loss='"1.5"', train_loss='"2.5"', o={"a": 1, "b": None})
    for rows in ([live, exported], [exported, live]):
        assert len(Collected(rows, tmp_path).rows) == 1
    # Without a time, and with other keys, rows are the same only when all of it is.
    timeless = [{"_step": 1, "x": 1}, {"_step": 1, "x": 2}, {"_step": 1, "x": 1}]
    assert len(Collected(timeless, tmp_path).rows) == 2
    assert len(Collected([row(1, 1), row(1, 1, other=1)], tmp_path).rows) == 2


# -- going on where the last call stopped ---------------------------------------------------------


def test_a_tail_begins_with_the_rows_that_have_landed(tmp_path: Path) -> None:
    first = Collected(ROWS[:4], tmp_path)
    assert (first.progress.last_step, len(first.progress.last_rows)) == (3, 1)
    tail = Collected(ROWS[3:], tmp_path, landed=first.progress)
    assert tail.numbers() == [4, 5]
    assert tail.progress == Collected(ROWS, tmp_path).progress


def test_a_tail_without_news(tmp_path: Path) -> None:
    first = Collected(ROWS, tmp_path)
    again = Collected(ROWS[5:], tmp_path, landed=first.progress)
    assert (again.rows, again.progress) == ([], first.progress)


def test_a_tail_with_more_rows_of_the_last_step(tmp_path: Path) -> None:
    rows = [row(n // 4, n) for n in range(10)]
    first = Collected(rows[:6], tmp_path)
    second = Collected(rows[4:7], tmp_path, landed=first.progress)
    assert second.numbers() == [6]
    third = Collected(rows[4:], tmp_path, landed=second.progress)
    assert third.numbers() == [7, 8, 9]
    assert third.progress == Collected(rows, tmp_path).progress


@pytest.mark.parametrize("seed", range(5))
def test_a_tail_that_brings_rows_twice_and_shuffled(tmp_path: Path, seed: int) -> None:
    rows = [row(n // 5, n) for n in range(12)]
    first = Collected(rows[:7], tmp_path)
    tail = rows[5:] + rows[5:9]
    random.Random(seed).shuffle(tail)
    tail.sort(key=lambda one: one["_step"])
    assert sorted(Collected(tail, tmp_path, landed=first.progress).numbers()) == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    "tail",
    [
        [],
        ROWS[4:],
        [row(3, 99), *ROWS[4:]],
        [ROWS[3] | {"loss": 1}, *ROWS[4:]],
        [ROWS[3] | {"_timestamp": 1.8e9}],
    ],
    ids=["gone", "gone, more came", "another row", "another value", "another time"],
)
def test_a_history_that_was_rewritten(tmp_path: Path, tail: list[dict[str, Any]]) -> None:
    first = Collected(ROWS[:4], tmp_path)
    with pytest.raises(RewrittenError):
        Collected(tail, tmp_path, landed=first.progress)


def test_one_of_several_last_rows_is_gone(tmp_path: Path) -> None:
    first = Collected([row(0, 0), row(1, 1), row(1, 2)], tmp_path)
    with pytest.raises(RewrittenError):
        Collected([row(1, 1), row(2, 3)], tmp_path, landed=first.progress)


def test_progress_survives_its_landing(tmp_path: Path) -> None:
    progress = replace(Collected(ROWS, tmp_path).progress, keys=("a", "b"))
    assert history_progress(json.loads(json.dumps(vars(progress)))) == progress
