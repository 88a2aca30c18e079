"""Measuring a process, and the table of ratios."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_S = 0.02


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


def run_tree(command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> Cost:
    """Like ``run``, for a command with children, whose memory counts; its last line is kept."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=dict(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with TreePeak(process.pid) as tree:
        output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    seconds = time.perf_counter() - started
    return Cost(seconds, tree.peak_bytes, output.strip().rpartition("\n")[2])


class TreePeak(threading.Thread):
    """The most that a process and its descendants have held in memory together, sampled.

    Their resident sets are added up, so what they share counts more than once.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._pid = pid
        self._ends = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ends.wait(SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(_resident_bytes, _tree(self._pid))))

    def __enter__(self) -> TreePeak:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:  # which grows meanwhile
        try:
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text().split())
        except OSError:  # it has ended
            continue
    return found


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def print_table(ratios: Sequence[Ratio]) -> None:
    print(f"{'size':>8}  {'measured':58}{'value':>9}       {'aim':>8}  detail")
    for ratio in ratios:
        print(
            f"{ratio.size:>8}  {ratio.what:58}{ratio.value:9.2f} {ratio.unit:5}"
            f"{ratio.aim:>8}  {ratio.detail}"
        )
