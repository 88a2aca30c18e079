"""Measuring a process, and the table of ratios."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds and peak resident memory in bytes of one process."""

    seconds: float
    peak_bytes: int
    output: str


@dataclass(frozen=True)
class Ratio:
    """One line of the table: what was measured, against what, and what is aimed at."""

    size: str
    what: str
    value: float
    unit: str
    aim: str
    detail: str


def run(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> Cost:
    """Run a command to its end; its failure is an error."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    # Linux counts ru_maxrss in KiB.
    return Cost(time.perf_counter() - started, usage.ru_maxrss * 1024, output)


def print_table(ratios: Sequence[Ratio]) -> None:
    print(f"{'size':>8}  {'measured':58}{'value':>9}       {'aim':>8}  detail")
    for ratio in ratios:
        print(
            f"{ratio.size:>8}  {ratio.what:58}{ratio.value:9.2f} {ratio.unit:5}"
            f"{ratio.aim:>8}  {ratio.detail}"
        )
