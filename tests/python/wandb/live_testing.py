"""What the tests of `wandb` share: a W&B double, a zone, and the command between them.

The command runs as a user calls it, in a process of its own with the unpatched client. After every
call the zone is intact, the scratch folder is gone, and no file below the test's folder holds the
API key or the name of a user.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from extract.landing.zone import LandingZone
from tests.python.testing import (
    ENTITY,
    PROJECT,
    ROOT,
    check_zone,
    decompressed,
    environment,
    everything_written,
    landed,
)
from tests.python.wandb.double import API_KEY, FakeRun, Fault, Request, Row, WandbDouble

PATH = f"{ENTITY}/{PROJECT}"
HISTORY_OPERATIONS = {
    "HistoryPage", "RunFullHistory", "RunHistoryKeys", "RunParquetHistory", "SampledHistoryPage",
}  # fmt: skip
# Personal data of the double's runs, which may not reach the zone.
CLEAR = ("Ada Example", "ada@example.org", "robot7.example.org", "/home/asimov", "asimov")
PERSONAL_METADATA = {
    "host": "robot7.example.org",
    "email": "ada@example.org",
    "username": "asimov",
    "executable": "/home/asimov/venv/bin/python",
    "program": "/home/asimov/train.py",
    "root": "/home/asimov/out",
    "args": ["--output_dir", "/home/asimov/out", "--learning_rate", "5e-05"],
    "gpu": "NVIDIA L40",
}


# -- calls ----------------------------------------------------------------------------------------


@dataclass
class Called:
    """What a call did, and what it asked the double for."""

    code: int
    stdout: str
    stderr: str
    requests: list[Request] = field(repr=False)

    @property
    def summary(self) -> dict[str, Any]:
        (line,) = self.stdout.splitlines()
        return json.loads(line)

    def counts(self, *names: str) -> tuple[int, ...]:
        return tuple(self.summary[name] for name in names)

    @property
    def operations(self) -> Counter[str]:
        return Counter(request.operation or request.method for request in self.requests)

    @property
    def histories(self) -> set[str]:
        """The runs whose history was asked for."""
        return {
            request.run_id or ""
            for request in self.requests
            if request.operation in HISTORY_OPERATIONS or request.path.startswith("/exports/")
        }

    @property
    def refusals(self) -> list[str]:
        """The messages on stderr about what did not land."""
        return [
            line.removeprefix("refused: ")
            for line in self.stderr.splitlines()
            if line.startswith(("refused: ", "error: "))
        ]


class Live:
    """One double, one zone, and `python -m extract wandb` between them."""

    def __init__(self, double: WandbDouble, folder: Path) -> None:
        self.double = double
        self.folder = folder
        self.zone = LandingZone(folder / "raw")
        self.project = double.project(ENTITY, PROJECT)

    def environment(self, **variables: str) -> dict[str, str]:
        return environment(**self.double.environment(self.folder)) | variables

    def command(self, *arguments: str, projects: Sequence[str] = (PATH,)) -> list[str]:
        raw = ["--raw-dir", str(self.zone.root)]
        return [sys.executable, "-m", "extract", "wandb", *projects, *arguments, *raw]

    def start(
        self, *arguments: str, projects: Sequence[str] = (PATH,), **variables: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments, projects=projects), cwd=ROOT, text=True,
            env=self.environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # Where the tests run as a shell's background job, SIGINT is ignored, by children too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def __call__(
        self,
        *arguments: str,
        code: int = 0,
        projects: Sequence[str] = (PATH,),
        **variables: str,
    ) -> Called:
        first = len(self.double.requests)
        return self.ended(self.start(*arguments, projects=projects, **variables), code, first)

    def ended(self, process: subprocess.Popen[str], code: int = 0, first: int = 0) -> Called:
        """The end of a call that was started, with what every call must leave behind."""
        stdout, stderr = process.communicate(timeout=120)
        called = Called(process.returncode, stdout, stderr, self.double.requests[first:])
        assert called.code == code, stderr
        assert "Traceback" not in stderr
        self.check(stdout + stderr)
        return called

    def check(self, told: str = "") -> None:
        """What holds after every call."""
        check_zone(self.zone)
        assert not list(self.zone.root.glob("_tmp/*"))
        assert_nowhere(API_KEY, self.folder, told)
        zone = everything_written(self.zone)
        assert [name for name in CLEAR if name in zone or name in told] == []

    # -- what has landed

    def runs(self) -> dict[str, dict[str, Any]]:
        """The newest snapshot of every run."""
        return {record["run_id"]: record for record in landed(self.zone, "runs")}

    def snapshots(self) -> Counter[str]:
        return Counter(record["run_id"] for record in landed(self.zone, "runs"))

    def outcomes(self, item: str, *statuses: str) -> list[dict[str, Any]]:
        records = landed(self.zone, "outcomes")
        return [one for one in records if one["item"] == item and one["status"] in statuses]

    def batches(self) -> list[dict[str, list[dict[str, Any]]]]:
        """The records of each batch by kind."""
        found = []
        for manifest in self.zone.manifests():
            found.append({kind: [] for kind in ("runs", "history", "outcomes")})
            for entry in manifest.files:
                lines = decompressed(self.zone.root / entry.path).splitlines()
                found[-1][entry.kind] += map(json.loads, lines)
        return found

    def history(self) -> dict[str, list[Row]]:
        """The rows that count, by run, as they were logged: a history that was read as a whole
        replaces what had landed of it before.
        """
        rows: defaultdict[str, list[Row]] = defaultdict(list)
        for batch in self.batches():
            for one in batch["outcomes"]:
                if one["item"] == "history" and one.get("progress", {}).get("replaces_earlier"):
                    rows[one["run_id"]].clear()
            for row in batch["history"]:
                rows[row["run_id"]].append(logged(row))
        return dict(rows)

    def assert_same_history(self, *run_ids: str) -> None:
        """Every row that the double holds is there, once."""
        found = self.history()
        for run in self.project.runs:
            if not run_ids or run.run_id in run_ids:
                held = self.double.rows(run).rows
                assert multiset(found.get(run.run_id, [])) == multiset(held), run.run_id


def assert_nowhere(secret: str, folder: Path, told: str = "") -> None:
    """The text is in no file below the folder, in no name of one, and not in what was told."""
    assert secret not in told
    for path in folder.rglob("*"):
        assert secret not in path.name
        if path.is_file():
            content = decompressed(path) if path.suffix == ".zst" else path.read_bytes()
            assert secret.encode() not in content, path


def logged(landed_row: dict[str, Any]) -> Row:
    """A landed history row as it was logged."""
    clocks = {"step": "_step", "timestamp": "_timestamp", "runtime": "_runtime"}
    row = {clocks.get(name, name): value for name, value in landed_row.items()}
    del row["run_id"]
    return row.pop("metrics", {}) | row


def canonical(value: Any) -> Any:
    """A value as the client hands it on: 3.0 is 3, and beyond 64 bits there are only floats."""
    if isinstance(value, dict):
        return {name: canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if not -(2**63) <= value < 2**63:  # NaN too
        return float(value)
    return int(value) if value == int(value) else value


def multiset(rows: Iterable[Row]) -> Counter[str]:
    return Counter(json.dumps(canonical(row), sort_keys=True) for row in rows)


# -- runs -----------------------------------------------------------------------------------------


def rows(count: int, first: int = 0, *, per_step: int = 1, **metrics: Any) -> list[Row]:
    """Rows of a run that logs every second; `metrics` are in all of them."""
    return [
        {"_step": n // per_step, "_timestamp": 1.7e9 + n + 0.25, "_runtime": n + 0.5}
        | {"loss": 1 / (n + 1), "n": n, **metrics}
        for n in range(first, first + count)
    ]


def a_run(run_id: str = "r", n_rows: int = 3, **fields: Any) -> FakeRun:
    """A small run; what is no field of one is a metric in all its rows."""
    known = {name: fields.pop(name) for name in set(fields) & FakeRun.__dataclass_fields__.keys()}
    return FakeRun(run_id, **{"history": rows(n_rows, **fields), "config": {"seed": 8}} | known)


def later(run: FakeRun, n_rows: int = 0, **metrics: Any) -> None:
    """The run goes on: more rows and a later heartbeat."""
    assert isinstance(run.history, list)
    run.history += rows(n_rows, first=len(run.history), **metrics)
    heartbeat = datetime.fromisoformat(run.heartbeat_at) + timedelta(hours=1)
    run.heartbeat_at = f"{heartbeat:%Y-%m-%dT%H:%M:%SZ}"


def faulty(
    fault: Fault, *, where: str | None = None, run_id: str | None = None, times: int | None = None
) -> Callable[[Request], Fault | None]:
    """A fault for the requests of an operation (or for GETs), of a run, the first few of them."""
    left: Iterator[Any] = iter(range(times)) if times is not None else iter(int, 1)

    def faults(request: Request) -> Fault | None:
        hit = where is None or where in (request.operation, request.method)
        hit = hit and run_id in (None, request.run_id)
        return fault if hit and next(left, None) is not None else None

    return faults


# Given up at once: wandb-core asks again six times, each time after so many seconds.
DOWN = Fault(503, retry_after=0)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with WandbDouble() as double:
        yield Live(double, tmp_path)


@pytest.fixture
def new_live(tmp_path: Path) -> Iterator[Callable[[str], Live]]:
    """Doubles with zones of their own, for calls side by side."""
    with ExitStack() as stack:
        yield lambda name: Live(stack.enter_context(WandbDouble()), tmp_path / name)
