"""What the tests of `pretrain` share: the files of the hub, and calls of the real client.

It runs in a process of its own, against a hub double on loopback.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import resource
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from extract.huggingface import pretrain_tables as tables
from extract.huggingface.pretrain import DATASETS
from extract.landing.manifest import LandedFile
from extract.landing.zone import LandingZone
from tests.python.huggingface.double import Blob, HubDouble
from tests.python.testing import ROOT, environment, landed

PPL, EVAL = DATASETS
PPL_FILE = "data/train-00000-of-00001.parquet"
TRAIN_FILES = ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet")
MACRO_FILE = "data/macro_avg-00000-of-00001.parquet"
FITS_FILE = "data/scaling_law_fit-00000-of-00001.parquet"
# Shaped like a real one; what reads it must not find it anywhere else.
TOKEN = "hf_" + "Tk0n" * 9
# What the client would take over from the machine that runs the tests.
_INHERITED = ("HF_", "HUGGING", "XDG_", "TRANSFORMERS_")
# A hundred calls start faster from a process that has imported all but the client, which reads its
# settings when it is imported.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "extract.cli",
        "extract.huggingface.pretrain",
        "tests.python.huggingface.testing",
        "httpx2",
        "tqdm.auto",
        "filelock",
        "yaml",
    ]
)


def parquet(columns: Mapping[str, str], rows: int = 40) -> bytes:
    """A Parquet file of the given columns, each an expression of the row number `i`."""
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    path = folder / f"test_pretrain-{os.getpid()}-{random.getrandbits(40)}.parquet"
    selected = ", ".join(f'{value} as "{name}"' for name, value in columns.items())
    try:
        duckdb.execute(f"copy (select {selected} from range({rows}) as _(i)) to '{path}'")
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def columns_of(table: tables.Table, **changes: str | None) -> dict[str, str]:
    """Values for every column that the table needs; a change to None leaves one out."""
    values = {
        name: "'x' || i" if accepted is not tables.NUMBER else "i::double"
        for name, accepted in table.columns.items()
    }
    values |= {name: value for name, value in changes.items() if value is not None}
    return {name: value for name, value in values.items() if changes.get(name, "") is not None}


@cache
def ppl_file(rows: int = 40) -> bytes:
    return parquet(columns_of(tables.PPL, step="i::bigint"), rows)


@cache
def eval_file(rows: int = 40, task: str = "'mmlu_' || i") -> bytes:
    return parquet(columns_of(tables.EVALS, task=task, step="i::bigint"), rows)


@cache
def macro_file(rows: int = 11) -> bytes:
    return eval_file(rows, task="if(i = 0, 'olmes_10_macro_avg', 'piqa')")


@cache
def fits_file(rows: int = 20) -> bytes:
    return parquet(columns_of(tables.SCALING_LAW_FITS), rows)


@cache
def large_file() -> bytes:
    """More than the 10 MiB in which the client takes a body from the network."""
    return parquet(columns_of(tables.PPL, data="uuid()::varchar"), 160_000)


def eval_files() -> dict[str, bytes]:
    return {
        TRAIN_FILES[0]: eval_file(40),
        TRAIN_FILES[1]: eval_file(41),
        MACRO_FILE: macro_file(),
        FITS_FILE: fits_file(),
    }


def publish(hub: HubDouble) -> HubDouble:
    hub.repo(PPL.repo_id).commit({PPL_FILE: ppl_file()}, sha=PPL.revision)
    readme = {"README.md": Blob(b"# DataDecide\n", lfs=False)}
    hub.repo(EVAL.repo_id).commit(eval_files() | readme, sha=EVAL.revision)
    return hub


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        return json.loads(line)

    def counts(self, *names: str) -> tuple[int, ...]:
        return tuple(self.summary[name] for name in names or ("files", "already_landed", "refused"))


def variables(hub: HubDouble | str, zone: LandingZone, **more: str) -> dict[str, str]:
    clean = {
        name: value for name, value in environment(key=None).items()
        if not name.startswith(_INHERITED) and "PROXY" not in name.upper()
    }  # fmt: skip
    return clean | {
        "HF_ENDPOINT": hub if isinstance(hub, str) else hub.url,
        "HF_HOME": str(zone.root.parent / "home"),
        **more,
    }


def start(
    hub: HubDouble | str, zone: LandingZone, *arguments: str | Path, limit: int = 0, **more: str
) -> subprocess.Popen[str]:
    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "extract", "pretrain", *map(str, arguments), "--raw-dir",
         str(zone.root)],
        cwd=ROOT, env=variables(hub, zone, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=limit_file_size if limit else None,
    )  # fmt: skip


def command(hub: HubDouble | str, zone: LandingZone, *arguments: str | Path, **more: Any) -> Answer:
    """`python -m extract pretrain`, as a user calls it."""
    process = start(hub, zone, *arguments, **more)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return Answer(process.returncode, out, err)


def run_module(settings: dict[str, str], arguments: list[str], out: str, err: str) -> None:
    os.environ.clear()
    os.environ.update(settings)
    os.chdir(ROOT)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["extract", "pretrain", *arguments]
    runpy.run_module("extract", run_name="__main__")


def pretrain(
    hub: HubDouble | str, zone: LandingZone, *arguments: str | Path, **more: str
) -> Answer:
    """The same in a process that is forked instead of started: a third of the time."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        options = [*map(str, arguments), "--raw-dir", str(zone.root)]
        process = PROCESSES.Process(
            target=run_module, args=(variables(hub, zone, **more), options, str(out), str(err))
        )
        process.start()
        process.join(timeout=120)
        assert process.exitcode is not None
        assert "Traceback" not in err.read_text(), err.read_text()
        return Answer(process.exitcode, out.read_text(), err.read_text())


def entries(zone: LandingZone) -> list[LandedFile]:
    """All landed Parquet files."""
    return [
        entry for manifest in zone.manifests("huggingface") for entry in manifest.files
        if entry.kind != "outcomes"
    ]  # fmt: skip


def content(zone: LandingZone) -> Counter[tuple[Any, ...]]:
    """What has landed of which commit, and how often."""
    return Counter(
        (entry.kind, entry.entity, entry.project, (entry.provenance or {})["path"], entry.sha256)
        for entry in entries(zone)
    )


def refused(zone: LandingZone) -> dict[str, str]:
    """The reason of each refused item."""
    return {
        record["item"]: record["reason"]
        for record in landed(zone, "outcomes") if record["status"] == "refused"
    }  # fmt: skip


BUSY = {"Retry-After": "0"}


def land_here(
    settings: dict[str, str],
    root: Path,
    *,
    call: str = "",
    number: int = 0,
    free: int | None = None,
    links: bool = True,
) -> None:
    """`pretrain` in this process, which dies before a certain call of a function of `os`, or has a
    disk that is full, or one without hard links."""
    os.environ.clear()
    os.environ.update(settings)
    from extract.huggingface import pretrain as module

    if call:
        function, made = getattr(os, call), Counter[str]()

        def dying(*arguments: Any, **options: Any) -> Any:
            made[call] += 1
            if made[call] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        setattr(os, call, dying)
    if not links:

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        os.link = refuse  # type: ignore[assignment]
    if free is not None:
        shutil.disk_usage = lambda _: shutil._ntuple_diskusage(free, 0, free)  # type: ignore[assignment]
    summary = module.land(LandingZone(root), module.Request.of((), (), ()), max_gb=1)
    sys.exit(1 if summary.refused else 0)


def in_child(hub: HubDouble, zone: LandingZone, **options: Any) -> int | None:
    process = PROCESSES.Process(
        target=land_here, args=(variables(hub, zone), zone.root), kwargs=options
    )
    process.start()
    process.join(timeout=60)
    return process.exitcode
