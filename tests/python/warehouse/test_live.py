"""Runs that come from W&B itself in the marts: as from an export, whatever happened on the way."""

from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.landing.privacy import KEY_VARIABLE
from extract.simulator.wandb import SimulatedRun, simulate_runs
from tests.python.testing import a_row, write_jsonl
from tests.python.testing import a_run as an_exported_run
from tests.python.wandb.double import FakeRun, Fault, Row, WandbDouble
from tests.python.wandb.live_testing import PATH, PERSONAL_METADATA, Live, a_run, faulty, rows
from tests.python.warehouse.harness import PSEUDONYM_KEY, ROOT, RUN_MARTS, WITHOUT_TESTS, Warehouse

RUNS = 120  # as in `simulated_export`
KILLS = 20
SEED = 20251121
# What a call does, with a checkpoint after nearly every run instead of every ten seconds.
IMPATIENT = """
import extract.wandb.live
extract.wandb.live.CHECKPOINT_S = 0.05
from extract.cli import app
app()
"""


EVENTS = "ml-moe/events"


class LiveWarehouse(Warehouse):
    """A warehouse that is filled from a double."""

    def __init__(self, double: WandbDouble, folder: Path) -> None:
        super().__init__(folder)
        self.live = Live(double, folder)
        self.project = self.live.project

    def build(self, *, tests: bool = False) -> None:
        """What the marts of runs are made of, which is all that W&B has a part in."""
        exclude = WITHOUT_TESTS[:2] if tests else WITHOUT_TESTS
        chosen = ("--select", "+path:models/marts/runs", "--indirect-selection", "cautious")
        self.dbt("build", *chosen, *exclude)

    def fetch(self, *arguments: str, project: str = PATH) -> dict[str, Any]:
        variables = {KEY_VARIABLE: PSEUDONYM_KEY}
        return self.live(*arguments, projects=[project], **variables).summary


def served(simulated: SimulatedRun, exported: float = 0.0) -> FakeRun:
    """A simulated run as the server has it."""
    record, attrs = simulated.record, simulated.record["system_attrs"]
    history: list[Row] = [
        {"_step": row["step"], "_timestamp": row["timestamp"], "_runtime": row["runtime"]}
        | row["metrics"]
        for row in simulated.history()
    ]
    return FakeRun(
        record["run_id"], record["run_name"], record["state"], record["config"],
        record["summary"], record["system_metrics"], attrs["tags"], attrs["group"],
        attrs["jobType"], attrs["notes"], attrs["description"], attrs["commit"],
        created_at=attrs["createdAt"], heartbeat_at=attrs["heartbeatAt"], user=attrs["user"],
        metadata=record["wandb_metadata"], history=history,
        exported_rows=int(len(history) * exported),
    )  # fmt: skip


def project() -> list[FakeRun]:
    """All simulated runs, a third each with no row, half of the rows and all rows exported, but
    for runs with texts among their numbers: in an export's column all of them would be texts.
    """
    found = [served(run, number % 3 / 2) for number, run in enumerate(simulate_runs(RUNS))]
    for run in found:
        if any(isinstance(value, str) for row in run.history for value in row.values()):
            run.exported_rows = 0
    return found


# -- what happens to runs -------------------------------------------------------------------------

ODD = {"train_loss": math.nan, "learning_rate": "1e-5", "total_tokens": 2**60 + 1, "x": math.inf}
ODD |= {"h": {"_type": "histogram", "bins": [0, 1], "values": [2]}, "step": 7, "project": "P"}
COMPUTE = 168631869269606400001


def events(warehouse: LiveWarehouse) -> Iterator[None]:
    """Another project, at first and later."""
    project = warehouse.live.double.project(*EVENTS.split("/"))
    warehouse.land(an_export(warehouse, 6), "--entity", "ml-moe", "--project", "events")
    project.add(a_run("gone"), a_run("came_back"), a_run("elsewhere", 10), a_run("rewound", 10))
    project.add(a_run("goes_on", history=rows(3, per_step=2), state="running"))
    project.add(a_run("one_step", 1, state="running"))
    project.add(a_run("odd", history=[{"_step": 0, **ODD}], config={"compute": COMPUTE}))
    project.add(a_run("metadata", metadata=PERSONAL_METADATA))
    warehouse.fetch("--metadata", project=EVENTS)
    yield

    run = project.run
    run("rewound").history = [row | {"_timestamp": 1.8e9 + row["n"]} for row in rows(8)]
    run("goes_on").history += rows(4, first=3, per_step=2)
    run("one_step").history += [rows(1)[0] | {"n": 9, "_timestamp": 1.8e9}, *rows(3, first=1)]
    run("metadata").tags = ["edited"]
    for changed in ("rewound", "goes_on", "one_step"):
        run(changed).heartbeat_at = "2025-09-01T00:00:00Z"
    for gone in ("gone", "came_back"):
        project.remove(gone)
    assert warehouse.fetch(project=EVENTS)["deleted"] == 2
    project.add(a_run("came_back"))
    run("goes_on").history += rows(4, first=7, per_step=2)
    run("goes_on").heartbeat_at = "2025-09-02T00:00:00Z"
    assert warehouse.fetch(project=EVENTS)["restored"] == 1
    warehouse.land(an_export(warehouse, 8), "--entity", "ml-moe", "--project", "events")
    yield


def an_export(warehouse: LiveWarehouse, n_rows: int) -> Path:
    """The run `elsewhere` as an older exporter wrote it."""
    history = [
        a_row(row["_step"], "elsewhere", timestamp=row["_timestamp"], runtime=row["_runtime"],
              metrics={"loss": row["loss"], "n": row["n"]})
        for row in rows(n_rows)
    ]  # fmt: skip
    run = an_exported_run("elsewhere", project="events")
    return write_jsonl(warehouse.folder / f"export-{n_rows}.jsonl", [run, *history])


@pytest.fixture(scope="session")
def live_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWarehouse]:
    """The simulated project, fetched undisturbed, and one that much happens to; built twice."""
    with WandbDouble() as double:
        built = LiveWarehouse(double, tmp_path_factory.mktemp("live"))
        built.project.add(*project())
        assert built.fetch("--metadata")["runs"] == RUNS
        happening = events(built)
        next(happening)
        built.build()
        next(happening)
        built.build(tests=True)
        yield built


def test_rows_are_there_once_whatever_happened(live_warehouse: LiveWarehouse) -> None:
    double = live_warehouse.live.double
    project = double.project(*EVENTS.split("/"))
    held = {run.run_id: double.rows(run).rows for run in project.runs} | {"gone": rows(3)}
    found: dict[str, list[tuple[Any, ...]]] = {}
    for run_id, *row in live_warehouse.query(
        "select run_id, step, epoch(logged_at), runtime_s from marts.run_history "
        "where project = 'events'"
    ):
        found.setdefault(run_id, []).append(tuple(row))
    for run_id, logged in held.items():
        expected = [(row["_step"], row.get("_timestamp"), row.get("_runtime")) for row in logged]
        assert sorted(found[run_id]) == sorted(expected), run_id


def test_every_run_has_its_address(live_warehouse: LiveWarehouse) -> None:
    """Readable, for it is made of what identifies the run."""
    server = live_warehouse.live.double.url
    found = live_warehouse.query(
        "select run_path, url from marts.runs where url is null or not starts_with(url, "
        f"'{server}/' || entity || '/' || project || '/runs/')"
    )
    assert found == []


def test_gone_runs_are_marked_as_deleted(live_warehouse: LiveWarehouse) -> None:
    deleted = "select run_id, is_deleted from marts.runs where deleted_at is not null"
    assert live_warehouse.query(deleted) == [("gone", True)]
    assert live_warehouse.query("select count(*) from marts.runs where is_deleted") == [(1,)]


def test_values_survive(live_warehouse: LiveWarehouse) -> None:
    """Also the arguments of a run whose newest snapshot came without its metadata."""
    ((tags, args),) = live_warehouse.query(
        "select tags, args from staging.stg_wandb__runs where run_id = 'metadata'"
    )
    assert tags == ["edited"] and json.loads(args)[2:] == ["--learning_rate", "5e-05"]
    assert live_warehouse.query(
        "select train_loss::varchar, learning_rate, is_finite, metrics ->> '$.total_tokens', "
        "metrics ->> '$.step', metrics ->> '$.project', metrics -> '$.h' ->> '$._type' "
        "from marts.run_history where run_id = 'odd'"
    ) == [("nan", 1e-05, False, str(2**60 + 1), "7", "P", "histogram")]
    assert live_warehouse.query(
        "select value ->> '$' from marts.run_config_values where key = 'compute'"
    ) == [(str(COMPUTE),)]


# -- as from an export ----------------------------------------------------------------------------


def content(warehouse: Warehouse, mart: str) -> list[str]:
    """A mart's rows; metrics as what they mean, for W&B gives keys in any order and 3.0 as 3.

    But for the address, which no older export has, and which names the server: each double is one
    of its own. `test_every_run_has_its_address` holds it.
    """
    found = warehouse.rows(f"select * from marts.{mart} where project = 'ft-scaling'")
    for row in found:
        row.pop("url", None)
        if row.get("metrics"):
            metrics = json.loads(row["metrics"], parse_int=float)
            row["metrics"] = sorted(metrics.items(), key=lambda item: item[0])
    return sorted(map(repr, found))


@pytest.mark.parametrize("mart", RUN_MARTS)
def test_the_marts_are_those_of_an_export(
    live_warehouse: LiveWarehouse, simulated_warehouse: Warehouse, mart: str
) -> None:
    """Of the same runs, landed as an older exporter wrote them. No other column may differ."""
    live, exported = content(live_warehouse, mart), content(simulated_warehouse, mart)
    assert len(live) == len(exported)
    different = [pair for pair in zip(live, exported, strict=True) if pair[0] != pair[1]]
    assert not different, different[:2]


# -- kills ----------------------------------------------------------------------------------------


def killed_while_it_works(warehouse: LiveWarehouse, moments: random.Random, requests: int) -> bool:
    """A call that is killed after some of its requests, the last ones included."""
    live = warehouse.live
    is_impatient = moments.random() < 0.5
    begun = [sys.executable, "-c", IMPATIENT] if is_impatient else [sys.executable, "-m", "extract"]
    first = len(live.double.requests)
    process = subprocess.Popen(
        [*begun, *live.command("--metadata")[3:]],
        cwd=ROOT, env=live.environment(**{KEY_VARIABLE: PSEUDONYM_KEY}),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = first + moments.randint(1, requests)
    while len(live.double.requests) < until and process.poll() is None:
        time.sleep(0.002)
    time.sleep(moments.uniform(0, 0.05))
    was_running = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return was_running


def test_fetching_killed_at_random_moments(
    live_warehouse: LiveWarehouse, new_warehouse: Callable[[str], Warehouse]
) -> None:
    """Runs are added and go on between the kills, so that every kill meets a call with work."""
    moments, killed, runs = random.Random(SEED), 0, project()
    with WandbDouble() as double:
        warehouse = LiveWarehouse(double, new_warehouse("killed").folder)
        double.faults = faulty(Fault(delay=0.01))
        for number in range(KILLS):
            for run in runs[number::KILLS]:  # begun now
                run.whole = (run.history, run.state, run.heartbeat_at, run.exported_rows)
                run.history = run.history[: len(run.history) // 2]
                run.state, run.heartbeat_at = "running", run.created_at
                run.exported_rows = min(run.exported_rows, len(run.history))
                warehouse.project.add(run)
            for run in runs[number - 1 :: KILLS] if number else []:  # and ended in the next round
                run.history, run.state, run.heartbeat_at, run.exported_rows = run.whole
            killed += killed_while_it_works(warehouse, moments, requests=100)
        for run in runs[KILLS - 1 :: KILLS]:
            run.history, run.state, run.heartbeat_at, run.exported_rows = run.whole
        assert killed > KILLS // 2
        n_batches = len(list(warehouse.live.zone.manifests()))
        warehouse.fetch("--metadata")
        warehouse.live.assert_same_history()
        assert warehouse.fetch("--metadata")["runs"] == 0
    assert n_batches > 2  # some of what was killed had landed
    warehouse.build()
    for mart in RUN_MARTS:
        assert content(warehouse, mart) == content(live_warehouse, mart), mart
