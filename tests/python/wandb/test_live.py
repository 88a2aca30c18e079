"""`wandb`: what the double holds is what lands, row by row and value by value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.python.testing import everything_written, landed
from tests.python.wandb.double import FakeRun, Request, Row, WandbDouble
from tests.python.wandb.live_testing import (
    PATH,
    PERSONAL_METADATA,
    Live,
    a_run,
    canonical,
    live,
    multiset,
    rows,
)

__all__ = ["live"]  # a fixture

# -- rows -----------------------------------------------------------------------------------------

RESUMED = [
    {"_step": step, "_timestamp": 1.7e9 + n, "n": n}
    for n, step in enumerate([*range(100), *range(50, 150)])
]
ODD = {"a": math.nan, "b": math.inf, "c": -math.inf, "train_loss": math.nan}
TEXTS = {"a": "NaN", "b": "Infinity", "c": "-Infinity", "train_loss": "NaN"}
TEXTS |= {"learning_rate": "1e-5", "total_tokens": "n/a"}
NUMBERS = {"a": 2**53 + 1, "b": 2**63 - 1, "c": -(2**63), "total_tokens": 2**60 + 1, "d": 1e300}
NUMBERS |= {"e": 5e-324, "f": 0.1, "g": 3.0, "h": -0.0, "i": True, "train_loss": 1e-7}
HISTOGRAM = {"_type": "histogram", "bins": [0.0, 0.5, 1.0], "values": [3, 4]}
PACKED = {"_type": "histogram", "packedBins": {"min": 0, "size": 0.5, "count": 2}, "values": [1, 2]}
TABLE = {"_type": "table-file", "path": "media/table/t_0.json", "sha256": "ab" * 32, "ncols": 2}
IMAGE = {"_type": "image-file", "path": "media/images/i_0.png", "format": "png", "width": 8}
# Metrics may be called like columns of ours, or of W&B.
NAMES = {"step": 7, "project": "P", "metrics": {"a": 1}, "run_id": "x", "timestamp": "t", "": 1}
NAMES |= {"entity": 3, "_custom": 1, "a/b": 1, "c.d": 2, "extra": {"x": 1}, 'ü"\\': 2}


def sparse() -> list[Row]:
    return [{"_step": n, f"key_{n % 7}": n} | ({"rare": n} if n == 90 else {}) for n in range(99)]


HISTORIES: dict[str, dict[str, Any]] = {
    "live": {"history": rows(50)},
    "exported": {"history": rows(50), "exported_rows": 50},
    "exported_in_parts": {"history": rows(50), "exported_rows": 50, "parquet_file_rows": 20},
    # W&B answers a page that begins in exports and ends live with the exported rows twice.
    "straddling": {"history": rows(50), "exported_rows": 20},
    "straddling_within_a_step": {"history": rows(100, per_step=5), "exported_rows": 63},
    "rows_of_one_step": {"history": rows(100, per_step=50)},
    "rows_of_one_step_exported": {"history": rows(100, per_step=50), "exported_rows": 100},
    "resumed": {"history": RESUMED},
    "resumed_exported": {"history": RESUMED, "exported_rows": 200},
    "resumed_straddling": {"history": RESUMED, "exported_rows": 120},
    "gaps": {"history": [{"_step": n, "x": n} for n in (3, 4, 2_000_000, 2_000_001, 9 * 10**9)]},
    "gaps_exported": {
        "history": [{"_step": n, "x": n} for n in (5_000_000, 5_000_001, 9_000_000)],
        "exported_rows": 3,
    },
    "empty": {"history": []},
    "sparse": {"history": sparse()},
    "sparse_exported": {"history": sparse(), "exported_rows": 99},
    "without_clocks": {"history": [{"_step": 1, "x": 1}, {"_step": 2, "x": 2}]},
    "odd": {"history": [{"_step": 0, **ODD}, {"_step": 1, **TEXTS}]},
    "odd_exported": {"history": [{"_step": 0, **ODD}, {"_step": 1, "a": 1.5}], "exported_rows": 2},
    "numbers": {"history": [{"_step": 0, **NUMBERS}, {"_step": 1, "a": 168631869269606400000}]},
    "numbers_exported": {"history": [{"_step": 0, **NUMBERS}], "exported_rows": 1},
    "nested": {"history": [{"_step": 0, "d": {"a": {"b": 1.5, "c": [1, None, {"x": "y"}]}}}]},
    "references": {
        "history": [{"_step": 0, "h": HISTOGRAM, "p": PACKED}, {"_step": 1, "t": TABLE, "i": IMAGE}]
    },
    "names": {"history": [{"_step": 0, **NAMES}]},
    "wide": {"history": [{"_step": n, **{f"m{k}": k / 3 for k in range(400)}} for n in range(300)]},
    # What a listing says of the last step may be late, missing, or written as a float.
    "last_step_too_low": {"history": rows(20), "history_keys": {"lastStep": 9, "keys": {}}},
    "last_step_missing": {"history": rows(20), "history_keys": {"keys": {}}},
    "last_step_missing_exported": {
        "history": rows(20), "history_keys": {"keys": {}}, "exported_rows": 15,
    },
    "last_step_is_a_float": {"history": rows(20), "history_keys": {"lastStep": 19.0, "keys": {}}},
    "run id with = and -- in it": {"history": rows(5)},
    "run id with ?#%&' \u00e9": {"history": rows(20), "exported_rows": 10},
}  # fmt: skip


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """All of the histories above, landed by one call."""
    with WandbDouble() as double:
        landed = Live(double, tmp_path_factory.mktemp("everything"))
        landed.project.add(*(FakeRun(name, **fields) for name, fields in HISTORIES.items()))
        called = landed()
        assert called.summary["short_histories"] == 0
        assert called.summary["runs"] == len(HISTORIES)
        yield landed


@pytest.mark.parametrize("run_id", HISTORIES)
def test_every_row_lands_once(everything: Live, run_id: str) -> None:
    everything.assert_same_history(run_id)


@pytest.mark.parametrize("run_id", ["live", "exported", "rows_of_one_step", "sparse", "wide"])
def test_rows_land_in_their_order(everything: Live, run_id: str) -> None:
    held = everything.double.rows(everything.project.run(run_id)).rows
    assert canonical(everything.history()[run_id]) == canonical(held)


def test_values_land_as_the_client_received_them(everything: Live) -> None:
    """Plain finite numbers have columns of their own, all else stays as it is in `metrics`."""
    row = next(row for row in landed(everything.zone, "history") if row["run_id"] == "odd")
    assert math.isnan(row["metrics"]["train_loss"])
    written = everything_written(everything.zone)
    assert '"a":NaN' in written and '"b":Infinity' in written and '"c":-Infinity' in written
    assert '"b":"Infinity"' in written and '"learning_rate":"1e-5"' in written
    # DOUBLE would round it: it is no column.
    assert f'"total_tokens":{2**60 + 1}' in written
    (numbers, _) = [r for r in landed(everything.zone, "history") if r["run_id"] == "numbers"]
    assert "total_tokens" not in numbers and numbers["train_loss"] == 1e-7
    assert numbers["metrics"]["b"] == 2**63 - 1


def test_rows_come_once_also_where_exports_have_other_types(live: Live) -> None:
    """A Parquet column has one type: a text in it makes texts of its numbers, and a nested object
    has the fields of all of them.
    """
    history = rows(50)
    for row in history:
        row["mixed"] = "NaN" if row["n"] == 7 else 1.5
        row["nested"] = {"even" if row["n"] % 2 else "odd": 1}
    live.project.add(a_run("r", history=history, exported_rows=20))
    assert live().summary["history_rows"] == 50
    assert [row["n"] for row in live.history()["r"]] == list(range(50))
    live.project.run("r").exported_rows = 50
    live.project.run("r").state = "running"
    live()
    assert sorted(row["n"] for row in live.history()["r"]) == list(range(50))


def test_a_gap_of_millions_of_steps_costs_few_requests(everything: Live) -> None:
    pages = [r.run_id for r in everything.double.requests if r.operation == "HistoryPage"]
    assert pages.count("gaps") <= 101


def test_a_run_that_grows_while_it_is_read_is_read_to_its_end_later(live: Live) -> None:
    run = a_run("r", 20, state="running")
    live.project.add(run)

    def grow(request: Request) -> None:
        if request.operation == "HistoryPage" and len(run.history) == 20:
            run.history += rows(5, first=20)

    live.double.before = grow
    live()
    assert len(live.history()["r"]) in (20, 25)
    live()
    live.assert_same_history()


# -- runs -----------------------------------------------------------------------------------------


def test_a_run_lands_with_all_that_a_listing_shows(live: Live) -> None:
    big = 168631869269606400000
    live.project.add(
        FakeRun(
            "r", "a name", state="crashed", tags=["4M", "finetune"], group="g", job_type="t",
            notes="checked by ada@example.org", commit="c" * 40, sweep_name="s",
            config={"lr": 5e-05, "compute": big, "size": "151900000", "o": {"a": 1},
                    "output_dir": "/home/asimov/out", "inf": math.inf, "float": 3.0},
            summary={"loss": math.nan, "best": -math.inf, "compute": big, "h": HISTOGRAM,
                     "oe_eval_metrics/boolq": {"acc_raw": 0.5}},
            system_metrics={"system.cpu": 12.5}, history=rows(3),
        )
    )  # fmt: skip
    live()
    (run,) = landed(live.zone, "runs")
    names = ("display_name", "state", "tags", "group", "job_type", "commit", "sweep_name")
    assert tuple(run[name] for name in names) == (
        "a name", "crashed", ["4M", "finetune"], "g", "t", "c" * 40, "s",
    )  # fmt: skip
    assert (run["entity"], run["project"], run["run_id"]) == ("ml-moe", "ft-scaling", "r")
    assert run["extra"]["url"] == f"{live.double.url}/ml-moe/ft-scaling/runs/r"
    assert run["created_at"] == "2025-08-21T10:00:00Z"
    assert run["heartbeat_at"] == "2025-08-21T11:00:00Z"
    assert run["config"]["compute"] == run["summary"]["compute"] == big
    assert run["config"]["o"] == {"a": 1} and run["config"]["inf"] == math.inf
    assert math.isnan(run["summary"]["loss"]) and run["summary"]["best"] == -math.inf
    assert run["summary"]["oe_eval_metrics/boolq"] == {"acc_raw": 0.5}
    assert run["summary"]["h"] == HISTOGRAM
    assert run["system_metrics"] == {"system.cpu": 12.5} and run["history_line_count"] == 3
    assert run["system_attrs"]["historyKeys"]["lastStep"] == 2
    assert run["user"]["username"].startswith("anon-") and run["notes"].startswith(
        "checked by anon"
    )
    assert "wandb_metadata" not in run


def test_metadata_lands_on_request_and_pseudonymised(live: Live) -> None:
    """Names that only the metadata tell are personal in the rest of the record too."""
    live.project.add(a_run("r", metadata=PERSONAL_METADATA), a_run("none"))
    live()
    live.project.runs[0].config = {"where": "robot7.example.org"}
    called = live("--metadata")
    assert called.counts("runs", "histories", "changed") == (2, 0, 1)
    assert called.operations["RunFiles"] == 2
    metadata = live.runs()["r"]["wandb_metadata"]
    assert metadata["args"][2:] == ["--learning_rate", "5e-05"]
    assert metadata["gpu"] == "NVIDIA L40" and metadata["host"].startswith("anon-")
    assert live.runs()["r"]["config"]["where"] == metadata["host"]
    assert "wandb_metadata" not in live.runs()["none"]

    again = live("--metadata")
    assert again.counts("runs", "histories") == (0, 0) and not again.operations["RunFiles"]


def test_text_values_of_a_history_hold_no_personal_data(live: Live) -> None:
    image = IMAGE | {"path": "/home/asimov/media/i_0.png"}
    note = {"note": "mail ada@example.org", "/home/asimov/disk": 1}
    live.project.add(a_run("r", history=[{"_step": 0, "image": image}, {"_step": 1, **note}]))
    live()  # which looks for the clear names
    assert len(live.history()["r"]) == 2
    assert live.history()["r"][0]["image"]["_type"] == "image-file"


def test_clear_text_lands_only_with_keep_personal(live: Live) -> None:
    live.project.add(a_run("r", user={"username": "curie", "name": "M. Curie"}))
    assert live("--keep-personal").code == 0
    assert live.runs()["r"]["user"]["username"] == "curie"
    assert "in clear text" in live(code=2).stderr  # one zone, one way


def test_without_a_pseudonym_key_nothing_is_asked_or_landed(live: Live) -> None:
    live.project.add(a_run())
    called = live(code=2, DATADECIDE_PSEUDONYM_KEY="")
    assert "DATADECIDE_PSEUDONYM_KEY is not set" in called.stderr
    assert (called.stdout, called.requests) == ("", [])
    assert not live.zone.root.exists()


# -- listings -------------------------------------------------------------------------------------


def many(count: int = 120) -> list[FakeRun]:
    return [
        a_run(f"r{n:03}", 0, created_at=f"2025-08-21T10:{n // 60:02}:{n % 60:02}Z")
        for n in range(count)
    ]


def test_every_page_is_read_and_runs_that_two_pages_show_land_once(live: Live) -> None:
    live.project.add(*many())
    live.double.page_duplicates = 3
    called = live()
    assert live.snapshots() == Counter(run.run_id for run in live.project.runs)
    assert called.counts("listed", "new", "runs") == (120, 120, 120)
    orders = {r.variables["order"] for r in called.requests if r.operation == "Runs"}
    assert orders == {"+created_at"}


def between_pages(live: Live, change: Any) -> None:
    """Do something once, after the first page of runs and before the second."""
    left = [change]

    def before(request: Request) -> None:
        if request.operation == "Runs" and request.variables.get("cursor") and left:
            left.pop()()

    live.double.before = before


def test_runs_added_and_renamed_between_two_pages(live: Live) -> None:
    live.project.add(*many())

    def change() -> None:
        live.project.add(a_run("late", created_at="2025-09-01T00:00:00Z"))
        live.project.runs[3].display_name = "renamed"

    between_pages(live, change)
    live()
    assert live.runs().keys() == {run.run_id for run in live.project.runs}
    assert live().counts("changed", "unchanged") == (1, 120)  # it was listed by its old name
    assert live.runs()["r003"]["display_name"] == "renamed"


def test_runs_deleted_between_two_pages_hide_no_others(live: Live) -> None:
    """The runs behind them move up: one of those would be on neither page."""
    live.project.add(*many())
    between_pages(live, lambda: live.project.remove("r007"))
    live()
    assert live.runs().keys() == {run.run_id for run in live.project.runs} | {"r007"}
    between_pages(live, lambda: live.project.remove("r008"))
    assert live().counts("new", "unchanged", "deleted") == (0, 119, 1)
    assert [one["run_id"] for one in live.outcomes("run", "deleted")] == ["r007"]


def test_a_listing_that_is_shorter_than_its_count_is_an_error(live: Live) -> None:
    live.project.add(a_run("a"), a_run("b"))
    live()
    live.project.remove("a")
    live.project.run_count = 2
    called = live(code=1)
    assert called.refusals == [
        f"{PATH}: W&B counts 2 runs in {PATH} and lists 1; those have landed, call again"
    ]
    assert live.outcomes("run", "deleted") == []


# -- what is asked for ----------------------------------------------------------------------------


def test_only_the_selected_runs_land(live: Live, tmp_path: Path) -> None:
    live.project.add(
        a_run("a", display_name="Ft 1", state="running", tags=["4M"]),
        a_run("b", display_name="Ft 2", tags=["60M"], created_at="2025-08-22T00:00:00Z"),
        a_run("c", created_at="2025-08-23T00:00:00Z"),
        a_run("d", state="crashed", tags=["x"], created_at="2025-08-24T00:00:00Z"),
    )
    selections = {
        "--state finished": "bc",
        "--state running --state crashed": "ad",
        "--tag 4M --tag 60M": "ab",
        "--name ^Ft.*2$": "b",
        "--run-id c --run-id a --run-id nobody": "ac",
        "--created-from 2025-08-22": "bcd",
        "--created-from 2025-08-22T02:00:00+02:00 --created-before 2025-08-23": "b",
        "--state finished --tag 60M": "b",
        "--limit 2": "ab",
        "--since 2025-08-23": "cd",
    }
    lives = [Live(live.double, tmp_path / str(number)) for number in range(len(selections))]
    calls = [
        one.start(*selection.split()) for one, selection in zip(lives, selections, strict=True)
    ]
    for one, call, (selection, run_ids) in zip(lives, calls, selections.items(), strict=True):
        one.ended(call)
        assert "".join(sorted(one.runs())) == run_ids, selection
        one.assert_same_history(*run_ids)


def test_wrong_usage_asks_for_nothing(live: Live) -> None:
    cases = {
        "ml-moe": "'ml-moe' is not ENTITY/PROJECT",
        "a/b/c": "'a/b/c' is not ENTITY/PROJECT",
        "e/p --min-step 5 --max-step 4": "--min-step 5 is above --max-step 4",
        "e/p --runs-only --history-key loss": "--runs-only leaves out",
        "e/p --since yesterday": "--since 'yesterday' is no ISO 8601 time",
        "e/p --min-step -1": "Invalid value for '--min-step'",
        "e/p --limit 0": "Invalid value for '--limit'",
    }
    calls = [live.start(*case.split(), projects=[]) for case in cases]
    for call, (case, told) in zip(calls, cases.items(), strict=True):
        stdout, stderr = call.communicate(timeout=60)
        assert (call.returncode, stdout) == (2, ""), case
        assert told in " ".join(stderr.split())
    assert live.double.requests == []


def test_one_step_window(live: Live) -> None:
    """The first step is part of it and the last one is not, as everywhere in W&B."""
    live.project.add(a_run("r", 50), a_run("exported", 50, exported_rows=50))
    live("--min-step", "10", "--max-step", "20")
    found = live.history()
    assert multiset(found["r"]) == multiset(found["exported"]) == multiset(rows(10, first=10))


def test_the_summary(live: Live) -> None:
    live.project.add(a_run("a", 5), a_run("b", 0))
    live.double.project("ml-moe", "second").add(a_run("a", 7))
    called = live(projects=[PATH, "ml-moe/second"])
    summary = called.summary
    assert 0 <= summary.pop("seconds") < 60
    first, second = summary.pop("projects")
    assert first["project"] == PATH and second["project"] == "ml-moe/second"
    assert summary == {
        "command": "wandb", "host": live.double.url, "dry_run": False, "listed": 3, "new": 3,
        "changed": 0, "unchanged": 0, "runs": 3, "histories": 2, "history_rows": 12,
        "short_histories": 0, "deleted": 0, "restored": 0, "refused": 0, "quarantined": [],
    }  # fmt: skip
    assert (first["runs"], first["history_rows"], second["history_rows"]) == (2, 5, 7)
    (manifest,) = live.zone.manifests()
    assert manifest.arguments["wandb_version"] == "0.31.0"
    assert manifest.arguments["projects"] == [PATH, "ml-moe/second"]
