"""The acquisition part: runs fetched from a W&B double on loopback, against the client alone.

The yardstick is a bare loop of the client's own ``scan_history`` over the same runs in a process
of its own. Both are timed inside of their processes, from the first listing to the last row; the
extractor has then landed what the loop has thrown away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Cost, Ratio, run_tree
from bench.warehouse import KEY, ROOT

DOUBLE = ROOT / "tests" / "python" / "wandb" / "double.py"
PROJECT = "ml-moe/bench"
API_KEY = "0123456789abcdef" * 2 + "01234567"  # the double's
ROWS = 500
# A network answers later than loopback; with fewer runs, as the bare loop waits for every answer.
DELAY_S = 0.02
DELAYED_FRACTION = 10

# These programs end without Python's own end, at which the client can hang.
EMPTY_CLIENT = f"""
import os, wandb
for run in wandb.Api().runs("{PROJECT}", per_page=1):
    break
os._exit(0)
"""
BARE_LOOP = f"""
import json, os, time, wandb
api, n_rows = wandb.Api(), 0
started = time.perf_counter()
for run in api.runs("{PROJECT}", lazy=False):
    for row in run.scan_history(page_size=10_000):
        n_rows += 1
print(json.dumps({{"seconds": time.perf_counter() - started, "history_rows": n_rows}}), flush=True)
os._exit(0)
"""


def run_part(folder: Path, runs: int) -> list[Ratio]:
    size = f"{runs * ROWS / 1e6:.1f} M"
    with server(runs) as url:
        environment = client_environment(folder, url)
        empty = python(environment, "-c", EMPTY_CLIENT)
        bare = python(environment, "-c", BARE_LOOP)
        one = fetch(folder / "one", environment, workers=1)
        four = fetch(folder / "four", environment, workers=4)
        second = fetch(folder / "four", environment, workers=4)
    above = (four.peak_bytes - empty.peak_bytes) / 1e6
    ratios = [
        rate_ratio(size, "rows/s, --workers 1 : bare scan_history loop", one, bare, "0.8"),
        rate_ratio(size, "rows/s, --workers 4 : bare scan_history loop", four, bare, "faster"),
        Ratio(size, "second call, nothing new : first", second.seconds / four.seconds, "x", "",
              f"{second.seconds:.2f} s : {four.seconds:.2f} s, whole processes"),
        Ratio(size, "peak memory of the process tree above an empty client", above, "MB", "400",
              f"{four.peak_bytes / 1e6:.0f} - {empty.peak_bytes / 1e6:.0f}, "
              f"bare loop {bare.peak_bytes / 1e6:.0f}"),
    ]  # fmt: skip
    runs = max(1, runs // DELAYED_FRACTION)
    size, late = f"{runs * ROWS / 1e6:.1f} M", f"{DELAY_S * 1e3:.0f} ms a request"
    with server(runs, "--delay", str(DELAY_S)) as url:
        environment = client_environment(folder, url)
        bare = python(environment, "-c", BARE_LOOP)
        for workers, aim in ((1, "0.8"), (4, "faster")):
            fetched = fetch(folder / f"late-{workers}", environment, workers=workers)
            what = f"rows/s, --workers {workers} : bare loop, {late}"
            ratios.append(rate_ratio(size, what, fetched, bare, aim))
    return ratios


@contextmanager
def server(runs: int, *options: str) -> Iterator[str]:
    """The double as a process of its own, which ends with its standard input."""
    command = [sys.executable, str(DOUBLE), "--runs", str(runs), "--rows", str(ROWS), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin and process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def client_environment(folder: Path, url: str) -> dict[str, str]:
    """For a client that reads and writes nothing of its user's."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    return kept | {
        "HOME": str(home),
        "WANDB_BASE_URL": url,
        "WANDB_API_KEY": API_KEY,
        "WANDB_DIR": str(home),
        "WANDB_CACHE_DIR": str(home / "cache"),
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "NO_PROXY": "127.0.0.1",
        "DATADECIDE_PSEUDONYM_KEY": KEY,
    }


def python(environment: Mapping[str, str], *arguments: str) -> Cost:
    return run_tree([sys.executable, *arguments], ROOT, environment)


def fetch(raw_dir: Path, environment: Mapping[str, str], *, workers: int) -> Cost:
    command = ["-m", "extract", "wandb", PROJECT, "--workers", str(workers)]
    return python(environment, *command, "--raw-dir", str(raw_dir))


def rate_ratio(size: str, what: str, fetched: Cost, bare: Cost, aim: str) -> Ratio:
    ours, theirs = rows_per_second(fetched), rows_per_second(bare)
    detail = f"{ours:,.0f} : {theirs:,.0f}"
    return Ratio(size, what, ours / theirs, "x", aim, detail)


def rows_per_second(cost: Cost) -> float:
    told = json.loads(cost.output)
    return told["history_rows"] / told["seconds"]
