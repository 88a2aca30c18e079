"""Parquet tables as pandas, polars and others write them."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from extract.wandb import parquet


def test_steps_that_pandas_keeps_as_a_range_beside_the_columns(tmp_path: Path) -> None:
    """`run.history().set_index("_step").to_parquet()`: there is no column of steps."""
    index = {"kind": "range", "name": "_step", "start": 10, "stop": 25, "step": 5}
    plain = {"kind": "range", "name": None, "start": 0, "stop": 3, "step": 1}
    for name, columns in {"steps": [index], "plain": [plain], "named": ["_step"]}.items():
        described = json.dumps({"index_columns": columns})
        duckdb.sql(
            f"copy (select 'r' as run_id, n / 2 as loss from range(3) as r(n)) "
            f"to '{tmp_path / name}.parquet' (kv_metadata {{pandas: '{described}'}})"
        )
    found = [*parquet.documents([tmp_path / "steps.parquet"])]
    assert found == [(n + 1, {"run_id": "r", "loss": n / 2, "_step": 10 + 5 * n}) for n in range(3)]
    for name in ("plain", "named"):
        (first, *_) = parquet.documents([tmp_path / f"{name}.parquet"])
        assert first == (1, {"run_id": "r", "loss": 0.0})
