"""What the tests of `posttrain` share: dumps to land, and what has landed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb

from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.posttrain import call as posttrain
from extract.posttrain.lander import Summary
from extract.simulator.posttrain import MODELS, NEWER, TASKS
from tests.python.testing import (
    KEY,
    decompressed,
    landed,
)

N = 4  # questions of a task
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["extract.posttrain.call", "pytest", "tests.python.posttrain.testing"]
)


def results(dumps: Path, dump: str = NEWER, model: int = 0) -> Path:
    name, revision = MODELS[model]
    return dumps / dump / "_eval_results" / f"{name.replace('/', '_')}__{revision}"


def group(number: int) -> str:
    return TASKS[number].group


def land(zone: LandingZone, *folders: Path, key: str | None = KEY) -> Summary:
    return posttrain.land(zone, folders, Pseudonymiser(key))


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.directories, summary.already_landed, summary.refused


def questions(zone: LandingZone) -> list[dict[str, Any]]:
    paths = [
        str(zone.root / file.path)
        for manifest in zone.manifests("posttrain")
        for file in manifest.files if file.kind == "questions"
    ]  # fmt: skip
    if not paths:
        return []
    result = duckdb.execute(f"select * from read_parquet({paths})")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def content(zone: LandingZone) -> dict[str, Counter[str]]:
    """What has landed, whatever the order."""
    kinds = {kind: landed(zone, kind) for kind in ("records", "files")}
    return {
        kind: Counter(json.dumps(row, sort_keys=True) for row in rows)
        for kind, rows in (kinds | {"questions": questions(zone)}).items()
    }


def refusals(zone: LandingZone) -> dict[str, tuple[str, int | None]]:
    """Reason and line of each refused item."""
    return {
        record["item"]: (record["reason"], record.get("line"))
        for record in landed(zone, "outcomes") if record["status"] == "refused"
    }  # fmt: skip


def all_text(zone: LandingZone) -> str:
    """Everything below the raw directory: names, JSON and the texts in Parquet."""
    text = []
    for path in zone.root.rglob("*"):
        text.append(str(path.relative_to(zone.root)))
        if path.suffix == ".parquet":
            text.append(str(duckdb.execute(f"from '{path}'").fetchall()))
        elif path.is_file():
            binary = decompressed(path) if path.suffix == ".zst" else path.read_bytes()
            text.append(binary.decode())
    return "\n".join(text)


def land_and_die(root: Path, dumps: Path, name: str, number: int, after: bool) -> None:
    """Land, and be killed right before or after the n-th call of ``os.<name>``."""
    function, calls = getattr(os, name), iter(range(10**6))

    def dying(*arguments: Any) -> Any:
        its_time = next(calls) == number
        if its_time and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if its_time:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, dying)
    land(LandingZone(root), dumps)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


GOOD = b'{"task_name": "a", "metrics": {}}\n'
