"""What the tests of `instances` share: nested tarballs to land, and what has landed."""

from __future__ import annotations

import io
import json
import multiprocessing
import sys
import tarfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from extract.instances import call
from extract.instances.recipe import Summary
from extract.instances.request import Request
from extract.landing.zone import LandingZone
from extract.simulator import instances as simulator
from tests.python.testing import (
    check_zone,
    landed,
)

RECIPE = "dolma1.7"
OTHER = "dolma1.7-no-code"  # of which the other's name is the beginning
KEYS = [("150M", 2, 1250), ("150M", 2, 2500), ("150M", 14, 1250), ("4M", 2, 1250)]
N = 7  # questions of a task
Key = tuple[str, int, int]
Files = dict[str, bytes]
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["extract.instances.call", "pytest", "tests.python.instances.testing"]
)


def tar_gz(members: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def write_archive(
    folder: Path,
    inner: Mapping[Key, bytes] | Sequence[tuple[str | tarfile.TarInfo, bytes]],
    tar_name: str = RECIPE,
) -> Path:
    """A recipe's tarball of the given inner tarballs."""
    members = (
        [(simulator.member_name(tar_name, *key), content) for key, content in inner.items()]
        if isinstance(inner, Mapping)
        else inner
    )
    folder.mkdir(exist_ok=True)
    path = folder / f"{tar_name}.tar.gz"
    path.write_bytes(tar_gz(members))
    return path


def land(
    zone: LandingZone, *paths: Path, recipes: Sequence[str] = (RECIPE,), **asked: Any
) -> Summary:
    return call.land_source(zone, paths, Request.of(recipes, **asked))


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.checkpoints, summary.already_landed, summary.refused


def parquet(zone: LandingZone, kind: str) -> list[str]:
    return [
        str(zone.root / file.path)
        for manifest in zone.manifests("instances") for file in manifest.files if file.kind == kind
    ]  # fmt: skip


def rows(zone: LandingZone, kind: str) -> list[dict[str, Any]]:
    """All landed rows, as the warehouse finds them: by the manifests."""
    paths = parquet(zone, kind)
    if not paths:
        return []
    result = duckdb.execute(
        f"select * from read_parquet({paths}, hive_partitioning = false, union_by_name = true)"
    )
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def landed_content(zone: LandingZone) -> dict[str, Counter[str]]:
    """What has landed, whatever the order."""
    return {
        kind: Counter(json.dumps(row, sort_keys=True) for row in rows(zone, kind))
        for kind in ("tasks", "questions")
    }


def keys_of(zone: LandingZone) -> Counter[tuple[Any, ...]]:
    return Counter(
        (row["tar_name"], row["params"], row["seed_number"], row["step"])
        for row in rows(zone, "tasks")
    )


def reasons(zone: LandingZone) -> dict[str, str]:
    """The reason of each refused item."""
    return {
        record["item"]: record["reason"]
        for record in landed(zone, "outcomes") if record["status"] == "refused"
    }  # fmt: skip


def check_clean(zone: LandingZone) -> None:
    check_zone(zone)
    assert list((zone.root / "_tmp").iterdir()) == []


def changed(
    files: Files, task: str, change: Callable[[dict[str, Any]], Any], *, only: int | None = None
) -> Files:
    """The predictions of a task with each document, or one, changed."""
    name = next(name for name in files if name.endswith(f"/{task}-predictions.jsonl"))
    documents = [json.loads(line) for line in files[name].splitlines()]
    for number, document in enumerate(documents):
        if only in (None, number):
            change(document)
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    return files | {name: lines.encode()}


def line_cut(files: Files) -> Files:
    name = "step-1250/piqa-predictions.jsonl"
    return files | {name: files[name][:-40]}


def without(*suffixes: str) -> Callable[[Files], Files]:
    return lambda files: {
        name: content for name, content in files.items() if not name.endswith(suffixes)
    }


def with_metrics(task: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Files], Files]:
    def apply(files: Files) -> Files:
        name = f"step-1250/{task}-metrics.json"
        record = json.loads(files[name])
        change(record)
        return files | {name: json.dumps(record).encode()}

    return apply


def a_link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


class watching:  # noqa: N801 - used like a function
    """Sample what the zone's temporary folder holds."""

    def __init__(self, zone: LandingZone, sizes: list[int]) -> None:
        self._folder = zone.root / "_tmp"
        self._sizes = sizes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._is_over.wait(0.002):
            try:
                paths = [path for path in self._folder.rglob("*") if path.is_file()]
                self._sizes.append(sum(path.stat().st_size for path in paths))
            except OSError:  # something has gone meanwhile
                continue

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def land_in_process(root: Path, source: Path, recipe: str, begun: Any = None) -> None:
    if begun is not None:
        begun.set()
    summary = land(LandingZone(root), source, recipes=[recipe])
    sys.exit(1 if summary.refused else 0)
