"""Parquet exports of dr_wandb 0.1 and 0.2, read with DuckDB as the documents of JSON Lines ones.

Runs are one file with all payloads, or one file per payload
(``..._{config,summary,sweep_info,system_attrs,system_metrics,wandb_metadata}.parquet``) that share
the run's identity columns; in a component file the payload is one text column or is spread over
columns of its own. History is one row per logged step, or one per run with a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from extract.errors import InputError
from extract.wandb.records import RUN_PAYLOADS

BATCH_ROWS = 256
# The index of a table, as pandas writes it.
_INDEX = re.compile(r"__index_level_\d+__")
_IDENTITY = ("run_id", "run_name", "entity", "project", "state", "created_at")


def component_of(path: Path) -> str | None:
    """The payload that a component file holds, by its name; None for other files."""
    name = path.name.lower()
    stem = name.removesuffix(".parquet")
    if stem == name or "runs" not in stem:
        return None
    return next((payload for payload in RUN_PAYLOADS if stem.endswith(f"_{payload}")), None)


def documents(paths: Sequence[Path]) -> Iterator[tuple[int, Any] | InputError]:
    """(row, document) for each row of a Parquet file, or for each run of several components."""
    con = duckdb.connect()
    try:
        if len(paths) == 1 and (component := component_of(paths[0])):
            # Landed alone it would be a snapshot of the run that lacks everything else.
            yield InputError(
                "lone_component",
                f"is one part of an export, its {component}; land its folder, or all parts in one "
                "call",
            )
        elif len(paths) == 1:
            for number, row in _rows(con, paths[0]):
                yield number, {k: v for k, v in row.items() if v is not None}
        else:
            yield from _joined(con, paths)
    except duckdb.Error as problem:
        yield InputError("broken_parquet", f"cannot be read as Parquet: {problem}")
    finally:
        con.close()


def _rows(con: duckdb.DuckDBPyConnection, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # A folder called `lr=5e-06` is no column of the table.
    query = "select to_json(export) from read_parquet(?, hive_partitioning = false) as export"
    cursor = con.execute(query, [str(path)])
    names = _renamed(con, path)
    number = 0
    while batch := cursor.fetchmany(BATCH_ROWS):
        for (text,) in batch:
            number += 1
            row = json.loads(text)
            if names:
                row = dict(zip(names, row.values(), strict=True))
            yield number, {key: item for key, item in row.items() if not _INDEX.fullmatch(key)}


def _renamed(con: duckdb.DuckDBPyConnection, path: Path) -> list[str] | None:
    """The names of the columns where DuckDB gives others: to it `Loss` is a second `loss`."""
    con = con.cursor()
    described = con.execute(
        "select * from read_parquet(?, hive_partitioning = false) limit 0", [str(path)]
    ).description
    names: list[str] = []
    inner = 0  # columns that belong to one before
    for name, children in con.execute(
        "select name, coalesce(num_children, 0) from parquet_schema(?) offset 1", [str(path)]
    ).fetchall():
        if inner == 0:
            names.append(name)
        else:
            inner -= 1
        inner += children
    given = [column[0] for column in described or []]
    return names if len(names) == len(given) and names != given else None


def _joined(
    con: duckdb.DuckDBPyConnection, paths: Sequence[Path]
) -> Iterator[tuple[int, Any] | InputError]:
    """Runs put together from their components: held in memory, a few hundred KB a run."""
    runs: dict[tuple[Any, Any, str], dict[str, Any]] = {}
    for path in paths:
        component = component_of(path)
        for number, row in _rows(con, path):
            run_id = row.get("run_id")
            if not isinstance(run_id, str):
                yield InputError("no_run_id", f"({path.name}) is a run without a run_id", number)
                continue
            if component and component not in row:  # spread over columns
                payload = {k: v for k, v in row.items() if k not in _IDENTITY and v is not None}
                row = {k: v for k, v in row.items() if k in _IDENTITY} | {component: payload}
            run = runs.setdefault((row.get("entity"), row.get("project"), run_id), {})
            run |= {key: value for key, value in row.items() if value is not None}
    for number, run in enumerate(runs.values(), start=1):
        yield number, run
