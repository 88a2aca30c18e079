"""Small inputs that the warehouse once got wrong, each with what is right.

They are not part of the repository: each stands for a kind of input, and the kinds have tests of
their own beside the extractor and the models.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.python.warehouse.harness import ROOT, Warehouse

CASES = ROOT.parent / "shared" / "cases" / "wandb-files"
# What does not land of a case, and why; the rest of it does.
REFUSED = {
    "07-pandas-json-array": [("history_cols.json", "by_columns")],
    "11-csv": [("wandb_export_2025-09-01T00_00_00.000+00_00.csv", "chart")],
}


@pytest.fixture(scope="module")
def cases() -> Path:
    if not CASES.is_dir():
        pytest.skip("needs the cases in ../shared/cases, which a clone does not have")
    return CASES


@pytest.fixture(scope="module")
def built(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """All cases landed, each of a project of its own, and built with every data test."""
    warehouse = Warehouse(tmp_path_factory.mktemp("cases"))
    for case in sorted(cases.iterdir()):
        named = ["--run", "ent/norun/r1"] if case.name.startswith("12-") else []
        warehouse.land(case / "in", *named, code=1 if case.name in REFUSED else 0)
    warehouse.build(tests=True)
    return warehouse


def history(built: Warehouse, project: str, *columns: str) -> list[tuple[object, ...]]:
    return built.query(
        f"select {', '.join(columns)} from marts.run_history where project = '{project}' "
        "order by step, logged_at"
    )


def test_a_file_is_refused_once_and_says_the_way_out(built: Warehouse) -> None:
    found = built.query(
        "select item, reason, message from staging.stg_wandb__outcomes where status = 'refused'"
    )
    expected = [refused for of_case in REFUSED.values() for refused in of_case]
    assert sorted((item, reason) for item, reason, _ in found) == sorted(expected)
    messages = {reason: message for _, reason, message in found}
    assert "orient='records'" in messages["by_columns"]
    assert "extract wandb" in messages["chart"]


def test_a_logged_state_is_a_metric(built: Warehouse) -> None:
    rows = history(built, "ustate", "step", "train_loss", "metrics ->> '$.state'")
    assert [(step, state) for step, _, state in rows] == [(n, "warmup") for n in range(4)]
    assert built.query("select count(*) from marts.runs where project = 'ustate'") == [(1,)]


@pytest.mark.parametrize("project", ["parr", "proj"], ids=["JSON array", "runhistory.parquet"])
def test_rows_of_pandas_and_of_the_client_land(built: Warehouse, project: str) -> None:
    assert history(built, project, "step", "train_loss", "total_tokens", "metrics ->> '$.txt'") == [
        (0, 1.0, 100, "a"), (1, None, 200, None), (2, 3.0, None, "c"), (3, 4.0, 400, "d"),
        (4, 5.0, 500, "e"),
    ]  # fmt: skip
    (run,) = built.query(
        f"select n_history_rows from marts.runs where project = '{project}' and run_id = 'r1'"
    )
    assert run == (5,)


def test_csv_and_rows_without_a_run_id_land_for_the_run_that_is_said(built: Warehouse) -> None:
    """Their runs have not landed, so they wait, listed, for them."""
    assert built.query(
        "select project, run_id, n_rows from intermediate.int_history__unattributed order by all"
    ) == [("norun", "r1", 3), ("pandas", "r1", 5)]


def test_wrapped_configs_are_as_if_from_the_api(built: Warehouse) -> None:
    rates = built.query("select run_id, learning_rate from marts.runs where project = 'wrap'")
    assert {run_id: rate for run_id, rate in rates if rate} == {"r2": 3e-05, "r4": 1e-05}
    wrapped = built.query(
        "select run_id, key, value from marts.run_config_values where project = 'wrap' "
        "and (contains(value, 'desc') or key in ('_wandb', 'wandb_version'))"
    )
    assert [row for row in wrapped if row[1] not in ("_wandb", "wandb_version")] == []


def test_tags_as_text_are_tags(built: Warehouse) -> None:
    tags = dict(built.query("select run_id, tags from marts.runs where project = 'tags'"))
    given = {}
    for line in (CASES / "15-tags" / "in" / "runs.jsonl").read_text().splitlines():
        record = json.loads(line)
        given[record["run_id"]] = record.get("tags")
    expected = {run: ["a", "b"] if given[run] and "a" in str(given[run]) else [] for run in given}
    expected |= {run: [] for run, value in given.items() if isinstance(value, dict)}
    assert tags == expected


def test_the_newer_of_two_snapshots_in_one_file_counts(built: Warehouse) -> None:
    found = built.query(
        "select run_id, updated_at::date::varchar, last_step from marts.runs where project = 'dup'"
    )
    assert ("r1", "2025-09-02", 2) in found


def test_one_export_per_key_is_one_history(built: Warehouse) -> None:
    rows = history(
        built, "perkey", "step", "train_loss", "learning_rate", "metrics ->> '$.val/acc'"
    )
    assert [row[:3] for row in rows] == [(n, 2.0 - n, 1e-05) for n in range(4)]
    assert [(row[0], float(row[3])) for row in rows if row[3]] == [
        (1, 0.1), (3, 0.30000000000000004),
    ]  # fmt: skip
    (shown,) = built.query(
        "select sum(n_rows_landed) from marts.run_history_sources "
        "where starts_with(run_path, 'ent/perkey/')"
    )
    assert shown == (10,)


def test_times_in_milliseconds_are_times_and_half_a_step_is_none(built: Warehouse) -> None:
    assert history(built, "ms", "step", "epoch(logged_at)", "train_loss") == [
        (0, 1756684802.0, 1.0), (None, 1756684803.0, 2.0),
    ]  # fmt: skip
    assert built.query("select epoch(created_at) from marts.runs where project = 'ms'") == [
        (1756684800.0,)
    ]
    assert built.query(
        "select subject, field, value from intermediate.int_issues__histories "
        "where kind = 'unread_history_clock'"
    ) == [("ent/ms/r1", "step", "6.5")]
