"""The pretraining part: published tables of full size are landed and built, first and again.

Yardsticks, each in a process of its own on the landed file: DuckDB's ``from_json`` over the metrics
text with its quotes replaced, every value hashed and nothing kept; and Python's
``ast.literal_eval`` of every row's text, the reading of the file not counted.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from bench.measure import Ratio, run
from bench.warehouse import ROOT, THREADS, Warehouse

# As published: checkpoints with 66 evaluations each, and checkpoints with perplexities.
CHECKPOINTS = 21_375
PERPLEXITIES = 22_709
MARTS = (
    "pretrain_checkpoints",
    "pretrain_evals",
    "pretrain_metrics",
    "pretrain_seed_stats",
    "scaling_law_fits",
)
LONG_VIEWS = ("pretrain_metrics", "pretrain_seed_stats")
SELECTION = ("--select", *(f"+{mart}" for mart in MARTS))
SCANS = 3

WRITE = """
import json, sys
from pathlib import Path
from extract.simulator.pretrain import write
folder, evaluated, perplexities = sys.argv[1:]
tables = write(
    Path(folder), max_evaluated=int(evaluated), max_perplexities=int(perplexities)
)
print(json.dumps([{name: str(path) for name, path in tables.files.items()}, tables.rows]))
"""
FROM_JSON = """
import sys, time, duckdb
path, structure, threads = sys.argv[1:]
con = duckdb.connect()
con.execute(f"set threads = {threads}")
con.execute("set preserve_insertion_order = false")
values = "from_json(replace(metrics, '''', '\\"'), $1)"
query = f"select sum(hash({values})::double) from read_parquet($2)"
started = time.perf_counter()
con.execute(query, [structure, path]).fetchall()
print(time.perf_counter() - started)
"""
LITERAL_EVAL = """
import ast, sys, time, duckdb
cursor = duckdb.connect().execute("select metrics from read_parquet(?)", sys.argv[1:])
seconds = 0.0
while rows := cursor.fetchmany(10_000):
    started = time.perf_counter()
    for (text,) in rows:
        ast.literal_eval(text)
    seconds += time.perf_counter() - started
print(seconds)
"""


def run_part(folder: Path, checkpoints: int) -> list[Ratio]:
    folder.mkdir(parents=True, exist_ok=True)
    files, n_rows = write_tables(folder / "tables", checkpoints)
    warehouse = Warehouse(folder)
    landing = warehouse.extract("pretrain", "--source", folder / "tables")
    # Before and after the build, so that a busy machine weighs on both.
    evals = files["evals"]
    structure = json.dumps(dict.fromkeys(metrics(), "DOUBLE"))
    scans = [warehouse.seconds(FROM_JSON, evals, structure, THREADS) for _ in range(SCANS)]
    warehouse.dbt("seed")
    first, first_seconds = warehouse.build(*SELECTION)
    scans += [warehouse.seconds(FROM_JSON, evals, structure, THREADS) for _ in range(SCANS)]
    scanned = min(scans)
    warehouse_bytes = warehouse.database.stat().st_size
    views = warehouse.read_whole(*LONG_VIEWS)
    _, second_seconds = warehouse.build(*SELECTION)
    evaluated = warehouse.seconds(LITERAL_EVAL, evals)

    landed_bytes = sum(path.stat().st_size for path in files.values())
    size = f"{n_rows / 1e6:.2f} M"
    return [
        Ratio(size, "models : bare from_json of the metrics text", first_seconds / scanned, "x",
              "2.5", f"{first_seconds:.2f} s : {scanned:.2f} s"),
        Ratio(size, "models and both long views read whole : that scan",
              (first_seconds + views) / scanned, "x", "", f"views {views:.2f} s"),
        Ratio(size, "Python's ast.literal_eval of the metrics text : models",
              evaluated / first_seconds, "x", ">= 3", f"{evaluated:.1f} s : {first_seconds:.2f} s"),
        Ratio(size, "second build, nothing new : first", second_seconds / first_seconds, "x", "",
              f"{second_seconds:.2f} s : {first_seconds:.2f} s"),
        Ratio(size, "peak memory of the build", first.peak_bytes / 1e9, "GB", "4",
              f"landing {landing.peak_bytes / 1e9:.2f}"),
        Ratio(size, "warehouse file : published Parquet", warehouse_bytes / landed_bytes, "x", "",
              f"{warehouse_bytes / 1e6:.0f} MB : {landed_bytes / 1e6:.0f} MB"),
    ]  # fmt: skip


def write_tables(folder: Path, checkpoints: int) -> tuple[dict[str, Path], int]:
    """The published tables and their rows, as many in proportion as there are checkpoints.

    In a process of its own: what this one holds would count as memory of every child.
    """
    perplexities = PERPLEXITIES * checkpoints // CHECKPOINTS
    written = run(
        [sys.executable, "-c", WRITE, folder, str(checkpoints), str(perplexities)],
        ROOT, os.environ,
    )  # fmt: skip
    files, rows = json.loads(written.output.strip().rpartition("\n")[2])
    return {name: Path(path) for name, path in files.items()}, sum(rows.values())


def metrics() -> list[str]:
    """All metrics that the models read."""
    registries = ROOT / "macros" / "registries"
    texts = [
        (registries / f"{name}.sql").read_text()
        for name in ("eval_metrics", "unpublished_eval_metrics")
    ]
    return re.findall(r"'(\w+)'", "".join(texts))
