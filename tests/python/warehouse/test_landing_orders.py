"""The marts are a function of what was exported, not of how and when it was landed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import zstandard

from tests.python.warehouse.harness import RUNS_ONLY, Warehouse, assert_same_marts, write_jsonl

NewWarehouse = Callable[[str], Warehouse]


def test_landing_twice(
    simulated_export: Path, simulated_warehouse: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """Once as it is and once more as other bytes: the same records are there once."""
    twice = new_warehouse("twice")
    twice.land(simulated_export)
    twice.build(*RUNS_ONLY)
    again = twice.folder / "again"
    again.mkdir()
    for name in ("runs.jsonl", "history.jsonl"):
        content = (simulated_export / name).read_bytes()
        (again / f"{name}.zst").write_bytes(zstandard.compress(content))
    assert twice.land(simulated_export)["already_landed"] == 2
    assert twice.land(again)["already_landed"] == 0
    twice.build(*RUNS_ONLY)
    assert_same_marts(simulated_warehouse, twice)


def test_landing_in_two_orders(
    simulated_export: Path, simulated_warehouse: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """History before the runs it belongs to, built in between."""
    reverse = new_warehouse("reverse")
    reverse.land(simulated_export / "history.jsonl")
    reverse.build(*RUNS_ONLY)
    assert reverse.query("select count(*) from marts.run_history") == [(0,)]
    reverse.land(simulated_export / "runs.jsonl")
    reverse.build(*RUNS_ONLY)
    assert_same_marts(simulated_warehouse, reverse)


def test_landing_in_halves(
    simulated_export: Path, simulated_warehouse: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """The cut goes through the middle of a run's history; the second half lands first."""
    halves = new_warehouse("halves")
    for name in ("runs.jsonl", "history.jsonl"):
        lines = (simulated_export / name).read_text().splitlines(keepends=True)
        middle = len(lines) // 2
        for half, part in (("b", lines[middle:]), ("a", lines[:middle])):
            path = halves.folder / half / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(part))
    halves.land(halves.folder / "b")
    halves.build(*RUNS_ONLY)
    halves.land(halves.folder / "a")
    halves.build(*RUNS_ONLY)
    assert_same_marts(simulated_warehouse, halves)


def test_full_refresh_equals_increments(
    simulated_export: Path, simulated_warehouse: Warehouse, new_warehouse: NewWarehouse
) -> None:
    refreshed = new_warehouse("refreshed")
    for name in ("runs.jsonl", "history.jsonl"):
        refreshed.land(simulated_export / name)
        refreshed.build(*RUNS_ONLY)
    refreshed.dbt("run", "--full-refresh", *RUNS_ONLY)
    assert_same_marts(simulated_warehouse, refreshed)


def test_newest_snapshot_wins_in_any_order(new_warehouse: NewWarehouse, tmp_path: Path) -> None:
    """Finished runs change: evaluations and tags arrive weeks later."""

    def snapshot(exported_at: str, tags: list[str]) -> dict[str, object]:
        run = {"run_id": "r", "entity": "e", "project": "p", "state": "finished", "tags": tags}
        return {"run": run, "exported_at": exported_at}

    old = write_jsonl(tmp_path / "old.jsonl", [snapshot("2025-09-01T00:00:00Z", ["old"])])
    new = write_jsonl(tmp_path / "new.jsonl", [snapshot("2025-10-01T00:00:00Z", ["new", "x"])])
    for name, order in (("old_first", (old, new)), ("new_first", (new, old))):
        warehouse = new_warehouse(name)
        for path in order:
            warehouse.land(path)
            warehouse.build(*RUNS_ONLY)
        assert warehouse.query("select tags from marts.runs") == [(["new", "x"],)]


def test_second_build_reads_no_raw_file(
    simulated_export: Path, simulated_warehouse: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """With the landed files gone, a build with nothing new still gives the same marts."""
    warehouse = new_warehouse("unread")
    warehouse.land(simulated_export)
    warehouse.build(*RUNS_ONLY)
    shutil.move(warehouse.raw / "wandb", warehouse.folder / "hidden")
    warehouse.build(*RUNS_ONLY)
    assert_same_marts(simulated_warehouse, warehouse)


def test_another_zone_replaces_the_first(new_warehouse: NewWarehouse, tmp_path: Path) -> None:
    """Rows of files that are not in the zone do not linger in the warehouse."""
    one, other = new_warehouse("one"), new_warehouse("other")
    for name, warehouse in (("first", one), ("second", other)):
        record = {"run_id": name, "entity": "e", "project": "p", "state": "finished"}
        warehouse.land(write_jsonl(tmp_path / f"{name}.jsonl", [record]))
    one.build(*RUNS_ONLY)
    one.raw = other.raw
    one.build(*RUNS_ONLY)
    assert one.query("select run_id from marts.runs") == [("second",)]


def test_nothing_landed_gives_empty_marts_with_their_contract(warehouse: Warehouse) -> None:
    warehouse.build(tests=True)
    for (mart,) in warehouse.query(
        "select distinct table_name from duckdb_columns() "
        "where schema_name = 'marts' and table_name like 'run%'"
    ):
        assert warehouse.query(f"select count(*) from marts.{mart}") == [(0,)]
    assert len(warehouse.query("describe marts.runs")) > 40
    assert warehouse.query("select count(*) from marts.recipes") == [(25,)]


def test_run_ids_are_unique_only_in_their_project(warehouse: Warehouse, tmp_path: Path) -> None:
    """Two projects with the same run id: history that does not say whose it is goes to neither."""
    runs = [
        {"run_id": "same", "entity": "e", "project": project, "state": "finished"}
        for project in ("p", "q")
    ]
    warehouse.land(write_jsonl(tmp_path / "runs.jsonl", runs))
    warehouse.land(write_jsonl(tmp_path / "rows.jsonl", [{"run_id": "same", "step": 1}]))
    named = write_jsonl(tmp_path / "q" / "rows.jsonl", [{"run_id": "same", "step": 2}])
    warehouse.land(named, "--entity", "e", "--project", "q")
    warehouse.build(*RUNS_ONLY)
    assert warehouse.query("select run_path, step from marts.run_history") == [("e/q/same", 2)]
    assert warehouse.query("select run_id, n_rows from intermediate.int_history__unattributed") == [
        ("same", 1)
    ]


def test_simulated_truth(simulated_warehouse: Warehouse) -> None:
    """Tokens and patterns as the simulator knows them, which computes both in its own way."""
    from extract.simulator.wandb import simulate_runs

    found = {
        run_id: (pattern or run_type, tokens, resets, unrepaired)
        for run_id, run_type, pattern, tokens, resets, unrepaired in simulated_warehouse.query(
            "select run_id, run_type, pattern_name, ft_tokens_real, n_counter_resets, "
            "has_unrepaired_counter from marts.runs"
        )
    }
    for run in simulate_runs(120):
        pattern, tokens, resets, unrepaired = found[run.record["run_id"]]
        if run.record["run_id"] == run.record["run_name"]:
            assert pattern.removesuffix("_PATTERN") == run.pattern, run.story
        assert resets == run.counter_resets, run.story
        if run.tokens_seen is not None and not unrepaired:
            assert tokens == run.tokens_seen, run.story


def test_history_values_survive_as_logged(warehouse: Warehouse, tmp_path: Path) -> None:
    """The four spellings of NaN and infinity, text numbers, integers beyond 2^53, references."""
    rows = [
        {"run_id": "r", "step": 0, "train_loss": float("nan"), "total_tokens": 2**60},
        {"run_id": "r", "step": 1, "train_loss": "NaN", "learning_rate": "1e-5"},
        {"run_id": "r", "step": 2, "train_loss": "Infinity", "big": 168631869269606400000},
        {"run_id": "r", "step": 3, "train_loss": float("-inf"), "h": {"_type": "histogram"}},
        {"run_id": "r", "step": 4, "train_loss": "n/a", "timestamp": "2025-09-01T10:00:00Z"},
    ]
    run = {"run_id": "r", "entity": "e", "project": "p", "state": "finished"}
    warehouse.land(
        write_jsonl(tmp_path / "runs.jsonl", [run]), write_jsonl(tmp_path / "rows.jsonl", rows)
    )
    warehouse.build(*RUNS_ONLY)
    found = warehouse.query(
        "select train_loss::varchar, learning_rate, is_finite, total_tokens, "
        "metrics ->> '$.big', metrics -> '$.h' ->> '$._type', logged_at::varchar "
        "from marts.run_history order by step"
    )
    assert found == [
        ("nan", None, False, 2**60, None, None, None),
        ("nan", 1e-05, False, None, None, None, None),
        ("inf", None, False, None, "168631869269606400000", None, None),
        ("-inf", None, False, None, None, "histogram", None),
        (None, None, True, None, None, None, "2025-09-01 10:00:00+00"),
    ]
    assert (
        json.loads(warehouse.query("select metrics from marts.run_history where step = 4")[0][0])[
            "train_loss"
        ]
        == "n/a"
    )  # what cannot be parsed stays beside the null
