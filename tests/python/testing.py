"""What the tests of the extractors share: a landing zone, exports to land, and the command line.

The zone is read back through its manifests, as the warehouse does: a file that no manifest names
has not landed. ``check_zone`` is the definition of an intact zone and is called after every kill.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import zstandard

from extract.landing.privacy import KEY_VARIABLE, Pseudonymiser
from extract.landing.zone import LandingZone
from extract.wandb import files as wandb_files
from extract.warehouse import ROOT

KEY = "a key for tests, long enough"
ENTITY, PROJECT = "ml-moe", "ft-scaling"
RUN_ID = "250912-172812_match_150M_c4_finetune_100Mtx1_DD-d17-530M-6250-2"
# What the extractors may not inherit from the machine that runs the tests.
_CLEARED = (KEY_VARIABLE, "DATADECIDE_RAW_DIR", "DATADECIDE_DEMO_RAW_DIR")


# -- exports to land ------------------------------------------------------------------------------


def a_run(run_id: str = RUN_ID, **fields: Any) -> dict[str, Any]:
    """A small run record of the flat shape."""
    return {
        "run_id": run_id,
        "run_name": run_id,
        "entity": ENTITY,
        "project": PROJECT,
        "state": "finished",
        "created_at": "2025-09-13T00:30:23Z",
        "config": {"learning_rate": 5e-06, "seed": 8},
        "summary": {"train_loss": 1.2902},
        **fields,
    }


def a_row(step: int = 1, run_id: str = RUN_ID, **fields: Any) -> dict[str, Any]:
    """A small history row of the nested shape."""
    metrics = {"train_loss": 1.0 / (step + 1), "note": f"step {step}"}
    return {"run_id": run_id, "step": step, "timestamp": 1.7e9 + step, "metrics": metrics} | fields


def write_jsonl(path: Path, documents: Iterable[Any]) -> Path:
    """One document a line; text is written as it is, so a line can be broken on purpose."""
    with open(path, "w", encoding="utf-8") as stream:
        for document in documents:
            stream.write(document if isinstance(document, str) else json.dumps(document))
            stream.write("\n")
    return path


# -- the zone -------------------------------------------------------------------------------------


def decompressed(path: Path) -> bytes:
    with open(path, "rb") as stream:
        return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True).read()


def landed(zone: LandingZone, kind: str) -> list[dict[str, Any]]:
    """All landed records of one kind, in the order in which they landed."""
    return [
        json.loads(line)
        for manifest in zone.manifests()
        for entry in manifest.files
        if entry.kind == kind
        for line in decompressed(zone.root / entry.path).splitlines()
    ]


def multiset(records: Iterable[dict[str, Any]]) -> Counter[str]:
    """Records as a multiset, without the one field that says when they landed."""
    return Counter(
        json.dumps({k: v for k, v in record.items() if k != "recorded_at"}, sort_keys=True)
        for record in records
    )


def files_of(zone: LandingZone) -> dict[str, tuple[int, int, int]]:
    """Inode, modification time and size of every file of the zone but the lock."""
    return {
        path.relative_to(zone.root).as_posix(): (
            path.stat().st_ino,
            path.stat().st_mtime_ns,
            path.stat().st_size,
        )
        for path in zone.root.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def check_zone(zone: LandingZone, *, leftovers: bool = False) -> None:
    """Every file that a manifest names is whole; without ``leftovers`` there is no other file."""
    known = set()
    for manifest in zone.manifests():
        assert manifest.finished_at
        known.add(f"_manifests/{manifest.source}/{manifest.batch_id}.json")
        for entry in manifest.files:
            path = zone.root / entry.path
            assert path.resolve().is_relative_to(zone.root.resolve())
            content = path.read_bytes()
            assert len(content) == entry.bytes
            assert hashlib.sha256(content).hexdigest() == entry.sha256
            known.add(entry.path)
            if path.suffix == ".parquet":
                query = "select num_rows from parquet_file_metadata(?)"
                assert duckdb.execute(query, [str(path)]).fetchall() == [(entry.rows,)]
                continue
            text = decompressed(path)
            assert len(text) == entry.raw_bytes
            rows = text.split(b"\n")[:-1]
            assert len(rows) == entry.rows
            assert max(map(len, rows)) == entry.max_record_bytes
    if not leftovers:
        unknown = set(files_of(zone)) ^ known
        assert not unknown, sorted(unknown)


def everything_written(zone: LandingZone) -> str:
    """The text of every file below the raw directory and their names, landed or not."""
    text = io.StringIO()
    for path in sorted(zone.root.rglob("*")):
        text.write(f"{path.relative_to(zone.root)}\n")
        if path.is_file():
            content = decompressed(path) if path.suffix == ".zst" else path.read_bytes()
            text.write(content.decode())
    return text.getvalue()


def land(zone: LandingZone, *paths: Path, **options: Any) -> wandb_files.Summary:
    """``wandb-files`` without the command line."""
    key = options.pop("key", KEY)
    return wandb_files.land(zone, paths, Pseudonymiser(key), **options)


# -- the command line -----------------------------------------------------------------------------


def environment(key: str | None = KEY, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _CLEARED}
    inherited |= {"COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1", **variables}
    return inherited if key is None else inherited | {KEY_VARIABLE: key}


def cli(*arguments: str | Path, key: str | None = KEY, **variables: str) -> Any:
    """`python -m extract ARGUMENTS` as a user calls it, from the project root."""
    return subprocess.run(
        [sys.executable, "-m", "extract", *map(str, arguments)],
        cwd=ROOT, env=environment(key, **variables), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def summary_of(result: Any) -> dict[str, Any]:
    """The JSON summary, which is the only thing that a command prints on stdout, in one line."""
    (line,) = result.stdout.splitlines()
    return json.loads(line)


_MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(f"peak={usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(*arguments: str | Path) -> tuple[int, int]:
    """Exit code and peak resident bytes of a call.

    A small process stands between: on Linux a child's peak starts at what its parent held when it
    was started, and pytest holds more than some of the limits.
    """
    result = subprocess.run(
        [sys.executable, "-c", _MEASURE, sys.executable, "-m", "extract", *map(str, arguments)],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    peak = int(result.stdout.rpartition("peak=")[2])
    return result.returncode, peak * (1 if sys.platform == "darwin" else 1024)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(path, value) of everything in a JSON document that is not an object or an array."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from leaves(item, (*path, position))
    else:
        yield path, value
