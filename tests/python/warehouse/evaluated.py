"""The models of runs, evaluated in DuckDB itself: dbt compiles once, and a zone takes a second.

For tests that look at many zones. What dbt does beyond running the compiled SQL, such as building
by increments, is not tried here; the tests that build warehouses do that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from extract.landing.zone import LandingZone
from tests.python.warehouse.harness import ROOT, Warehouse

EMPTY = str(ROOT / "models" / "base" / "empty.jsonl")
# What the W&B part of the zone is read by; its rows are what all the models behind it depend on.
KINDS = ("runs", "history", "outcomes")
OBJECT_SIZE = 16_777_216
FILES = "model.datadecide.base_landing__files"


class Models:
    """The models behind some marts, as far as a zone of W&B runs can change them."""

    def __init__(self, folder: Path, *marts: str) -> None:
        self._built = Warehouse(folder)
        self._built.build("--select", *(f"+{mart}" for mart in marts))  # of an empty zone
        manifest = json.loads((folder / "target" / "manifest.json").read_text())
        self._nodes = {
            name: node
            for name, node in manifest["nodes"].items()
            if node["resource_type"] == "model"
        }
        self._parents = manifest["parent_map"]
        wanted = [name for name, node in self._nodes.items() if node["name"] in marts]
        self._order = [name for name in self._sorted(wanted) if self._changes(name)]
        self._copies = 0

    def _sorted(self, names: list[str]) -> Iterator[str]:
        """The models with all that they are made of, each after its parents."""
        done: set[str] = set()

        def visit(name: str) -> Iterator[str]:
            if name in self._nodes and name not in done:
                done.add(name)
                for parent in self._parents[name]:
                    yield from visit(parent)
                yield name

        for name in names:
            yield from visit(name)

    def _changes(self, name: str) -> bool:
        if name == FILES or name.startswith("source.datadecide.wandb."):
            return True
        parents = [parent for parent in self._parents.get(name, []) if parent != FILES]
        return any(map(self._changes, parents))

    def of(self, zone: LandingZone) -> duckdb.DuckDBPyConnection:
        """A warehouse of this zone, in a file of its own; close it."""
        self._copies += 1
        path = self._built.folder / f"copy-{self._copies}.duckdb"
        shutil.copyfile(self._built.database, path)
        con = duckdb.connect(str(path))
        con.execute("set timezone = 'UTC'")
        manifests = sorted(map(str, zone.root.glob("_manifests/*/*.json")))
        con.execute(f"set variable manifest_files = {[EMPTY, *manifests]}")
        for kind in KINDS:
            files = sorted(map(str, zone.root.glob(f"wandb/*/*/{kind}/*")))
            con.execute(f"set variable wandb_{kind}_files = {[EMPTY, *files]}")
            con.execute(f"set variable wandb_{kind}_object_size = {OBJECT_SIZE}")
        for name in self._order:
            node = self._nodes[name]
            form = "view" if node["config"]["materialized"] == "view" else "table"
            sql = node["compiled_code"].replace(str(self._built.raw), str(zone.root))
            con.execute(f"create or replace {form} {node['schema']}.{node['name']} as {sql}")
        path.unlink()
        return con


def rows_of(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    cursor = con.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
