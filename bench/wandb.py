"""The W&B part: a simulated export is landed, built, and built again with nothing new."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.measure import Ratio, run
from bench.warehouse import ROOT, THREADS, Warehouse
from extract.simulator.wandb import simulate_runs

# Bytes of runs and of history are about 55:45 in the real sample; this scale gives that mix, and
# one run of it is about this many bytes of export.
HISTORY_SCALE = 3.3
BYTES_PER_RUN = 340_000


def run_part(folder: Path, megabytes: int) -> list[Ratio]:
    folder.mkdir(parents=True, exist_ok=True)
    export_bytes = write_export(folder / "export", megabytes * 1_000_000)
    warehouse = Warehouse(folder)
    landing = warehouse.extract("wandb-files", folder / "export")
    scans = [scan(warehouse) for _ in range(3)]
    scanned = min(found["scanned"] for found in scans)
    stored = min(found["stored"] for found in scans)

    warehouse.dbt("seed")
    first, first_seconds = warehouse.build()
    warehouse_bytes = warehouse.database.stat().st_size
    # With the landed files out of reach, a build that reads one of them fails.
    (warehouse.raw / "wandb").rename(warehouse.raw / "hidden")
    second, second_seconds = warehouse.build()
    (warehouse.raw / "hidden").rename(warehouse.raw / "wandb")

    landed_bytes = sum(path.stat().st_size for path in warehouse.raw.rglob("*") if path.is_file())
    size = f"{export_bytes / 1e6:.0f} MB"
    peak = max(first.peak_bytes, second.peak_bytes, landing.peak_bytes)
    small = megabytes < 500
    return [
        Ratio(size, "models : bare typed read_json scan of the landed files",
              first_seconds / scanned, "x", "4" if small else "2",
              f"{first_seconds:.2f} s : {scanned:.2f} s"),
        Ratio(size, "models : that scan, stored as tables",
              first_seconds / stored, "x", "", f"{first_seconds:.2f} s : {stored:.2f} s"),
        Ratio(size, "second build, nothing new, no raw file within reach : first",
              second_seconds / first_seconds, "x", "",
              f"{second_seconds:.2f} s : {first_seconds:.2f} s"),
        Ratio(size, "peak memory of landing and builds", peak / 1e9, "GB", "2",
              f"landing {landing.peak_bytes / 1e9:.2f}, build {first.peak_bytes / 1e9:.2f}"),
        Ratio(size, "landed files : JSON Lines", landed_bytes / export_bytes, "x", "0.125",
              f"{landed_bytes / 1e6:.1f} MB"),
        Ratio(size, "warehouse file after the first build : JSON Lines",
              warehouse_bytes / export_bytes, "x", "0.25", f"{warehouse_bytes / 1e6:.1f} MB"),
        Ratio(size, "landing rate", export_bytes / 1e6 / landing.seconds, "MB/s", "",
              f"{landing.seconds:.1f} s"),
    ]  # fmt: skip


def write_export(folder: Path, target_bytes: int) -> int:
    """An export of about that many bytes, as W&B's older exporters write it; its exact size."""
    folder.mkdir(exist_ok=True)
    runs, history = folder / "runs.jsonl", folder / "history.jsonl"
    if not history.exists():
        n_runs = max(1, target_bytes // BYTES_PER_RUN)
        with runs.open("w") as run_lines, history.open("w") as history_lines:
            for simulated in simulate_runs(n_runs, history_scale=HISTORY_SCALE):
                run_lines.write(json.dumps(simulated.record) + "\n")
                for row in simulated.history():
                    history_lines.write(json.dumps(row) + "\n")
    return runs.stat().st_size + history.stat().st_size


def scan(warehouse: Warehouse) -> dict[str, float]:
    database = warehouse.folder / "scan.duckdb"
    database.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench.scan", warehouse.raw, database, THREADS]
    cost = run(command, ROOT, warehouse.environment)
    database.unlink()
    return json.loads(cost.output)
