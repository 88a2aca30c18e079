"""`wandb` on two thousand runs: bounded memory, nothing missing, and nothing done twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pytest

from bench.measure import TreePeak
from tests.python.testing import ROOT, decompressed
from tests.python.wandb.double import FakeRun, Rows, WandbDouble, bench_rows, bench_runs
from tests.python.wandb.live_testing import PATH, Called, Live, logged

RUNS, ROWS = 2000, 500
# As one page it would take twice the memory that is allowed.
LONG_ROWS = 100_000
ALLOWED_BYTES = 400e6

# The program ends without Python's own end, at which the client can hang.
EMPTY_CLIENT = f"""
import os, wandb
for run in wandb.Api().runs("{PATH}", per_page=1):
    break
os._exit(0)
"""


@dataclass
class Large:
    live: Live
    summary: dict
    peak_bytes: int
    empty_bytes: int


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Large]:
    """Most runs live, some with all and some with a half of their rows exported, and a long one;
    landed once.
    """
    with WandbDouble() as double:
        live = Live(double, tmp_path_factory.mktemp("large"))
        runs = list(bench_runs(RUNS, ROWS, exported=0, config_keys=20))
        for number, run in enumerate(runs):
            run.exported_rows = {0: ROWS, 1: ROWS // 2}.get(number % 10, 0)
        live.project.add(*runs, FakeRun("long", history=Rows(bench_rows(LONG_ROWS, seed=99))))
        environment = live.environment()
        client = subprocess.Popen([sys.executable, "-c", EMPTY_CLIENT], env=environment, cwd=ROOT)
        with TreePeak(client.pid) as empty:
            assert client.wait() == 0
        process = live.start()
        with TreePeak(process.pid) as full:
            called = live.ended(process)
        yield Large(live, called.summary, full.peak_bytes, empty.peak_bytes)


def test_the_memory_does_not_grow_with_the_project(large: Large) -> None:
    print(f"{large.peak_bytes / 1e6:.0f} MB, an empty client {large.empty_bytes / 1e6:.0f} MB")
    assert large.empty_bytes > 50e6  # wandb-core is among it
    assert large.peak_bytes - large.empty_bytes < ALLOWED_BYTES


def test_every_row_is_there_once(large: Large) -> None:
    """Row by row against what the double holds."""
    double, project = large.live.double, large.live.project
    held = {run.run_id: double.rows(run) for run in project.runs}
    by_step: dict[int, dict] = {}
    for rows in held.values():
        if id(rows) not in by_step:
            by_step[id(rows)] = dict(zip(rows.steps, rows.rows, strict=True))
    found = Counter()
    for path in large.live.zone.root.glob("wandb/*/*/history/*"):
        for line in decompressed(path).splitlines():
            row = orjson.loads(line)
            run_id = row["run_id"]
            assert logged(row) == by_step[id(held[run_id])][row["step"]], line
            found[run_id, row["step"]] += 1
    assert set(found.values()) == {1}
    assert len(found) == sum(len(rows.rows) for rows in held.values()) == RUNS * ROWS + LONG_ROWS
    assert large.summary["history_rows"] == len(found)


def call(live: Live) -> Called:
    """Without a look at every byte that has landed."""
    first, process = len(live.double.requests), live.start()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    return Called(0, stdout, stderr, live.double.requests[first:])


def test_a_second_call_fetches_what_has_changed(large: Large) -> None:
    live = large.live
    snapshots = live.snapshots()
    assert set(snapshots.values()) == {1} and len(snapshots) == RUNS + 1
    second = call(live)
    assert second.counts("runs", "histories", "unchanged") == (0, 0, RUNS + 1)
    assert second.histories == set()

    edited, grown = [f"run-{n:06d}" for n in (0, 777, 1999)], ["run-000003", "run-001001"]
    for run_id in edited:
        live.project.run(run_id).tags = ["edited"]
    for run_id in grown:
        run = live.project.run(run_id)
        run.history = Rows([*run.history.rows, *bench_rows(ROWS + 5, seed=7)[ROWS:]])
        run.heartbeat_at = "2026-01-01T00:00:00Z"
    third = call(live)
    assert third.counts("runs", "histories", "history_rows") == (5, 2, 10)
    assert third.histories == set(grown)
    assert {run_id for run_id, n in live.snapshots().items() if n == 2} == {*edited, *grown}
