"""Killed at any moment, the next call completes, and the marts are those of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.python.warehouse.harness import (
    KILLED,
    ROOT,
    RUNS_ONLY,
    WITHOUT_TESTS,
    Warehouse,
    assert_same_marts,
    moments,
)

KILLS = 20
# The moments are spread over the time the command takes undisturbed, which is measured first.
SEED = 20251121


def _start(warehouse: Warehouse, command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=warehouse.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _kill_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process was still running when it was killed."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def _pieces(export: Path, name: str) -> list[str]:
    """The lines of an export dealt out to as many files as there are kills.

    Lines of one step stay in one file: a later export that has a step at another time replaces the
    earlier one's row there, which is right for a run that was rewound and no matter of kills.
    """
    pieces: list[list[str]] = [[] for _ in range(KILLS)]
    dealt: dict[tuple[Any, Any], int] = {}
    for line in (export / name).read_text().splitlines(keepends=True):
        record = json.loads(line)
        number = dealt.setdefault((record["run_id"], record.get("step")), len(dealt))
        pieces[number % KILLS].append(line)
    return ["".join(piece) for piece in pieces]


def test_landing_killed_at_random_moments(
    simulated_export: Path,
    simulated_warehouse: Warehouse,
    new_warehouse: Callable[[str], Warehouse],
) -> None:
    """New files arrive between the kills, so that every kill meets a landing with work to do."""
    runs, history = (
        _pieces(simulated_export, "runs.jsonl"),
        _pieces(simulated_export, "history.jsonl"),
    )
    warehouse = new_warehouse("killed")
    export = warehouse.folder / "export"
    export.mkdir()
    seconds = random.Random(SEED)
    duration = 0.0
    killed = 0
    for number in range(KILLS):
        (export / f"runs-{number}.jsonl").write_text(runs[number])
        (export / f"history-{number}.jsonl").write_text(history[number])
        if not duration:
            started = time.monotonic()
            new_warehouse("measure").land(export)
            duration = time.monotonic() - started
        process = _start(warehouse, warehouse.land_command(export))
        killed += _kill_after(process, seconds.uniform(0.5, 1) * duration)
    assert killed > KILLS // 4
    warehouse.land(export)
    assert not list((warehouse.raw / "_tmp").iterdir())
    warehouse.build()
    assert_same_marts(simulated_warehouse, warehouse)


def test_build_killed_at_any_statement(
    simulated_export: Path,
    simulated_warehouse: Warehouse,
    new_warehouse: Callable[[str], Warehouse],
) -> None:
    """New files land between the kills, so that every kill meets a build with work to do."""
    warehouse = new_warehouse("killed")
    warehouse.land(simulated_export / "runs.jsonl")
    command = ("build", *RUNS_ONLY, *WITHOUT_TESTS)
    undisturbed = new_warehouse("undisturbed")
    undisturbed.land(simulated_export / "runs.jsonl")
    whole = undisturbed.start_dbt(*command)
    assert whole.wait() == 0

    pieces = _pieces(simulated_export, "history.jsonl")
    for number, moment in enumerate(moments(whole.statements(), KILLS)):
        path = warehouse.folder / f"history-{number}.jsonl"
        path.write_text(pieces[number])
        warehouse.land(path)
        assert warehouse.start_dbt(*command, dies_at=moment).wait() == KILLED
    warehouse.build(*RUNS_ONLY)
    assert_same_marts(simulated_warehouse, warehouse)
