"""Parquet exports of dr_wandb 0.1 and 0.2, read with DuckDB as the documents of JSON Lines ones.

Runs are one file with all payloads, or one file per payload
(``..._{config,summary,sweep_info,system_attrs,system_metrics,wandb_metadata}.parquet``) that share
the run's identity columns; in a component file the payload is one text column or is spread over
columns of its own. History is one row per logged step, or one per run with a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from extract.errors import InputError
from extract.wandb.records import RUN_PAYLOADS

BATCH_ROWS = 256
_IDENTITY = ("run_id", "run_name", "entity", "project", "state", "created_at")


def component_of(path: Path) -> str | None:
    """The payload that a component file holds, by its name; None for other files."""
    stem = path.name.removesuffix(".parquet")
    if stem == path.name or "runs" not in stem:
        return None
    return next((name for name in RUN_PAYLOADS if stem.endswith(f"_{name}")), None)


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
    number = 0
    while batch := cursor.fetchmany(BATCH_ROWS):
        for (text,) in batch:
            number += 1
            yield number, json.loads(text)


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
