"""A landing zone and a warehouse of a benchmark's own, filled by the commands that users type."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.measure import Cost, run
from extract.warehouse import ROOT
from extract.warehouse import Warehouse as Places

THREADS = "2"
KEY = "a key that only the benchmark uses"
READ_WHOLE = """
import sys, time, duckdb
path, threads, *marts = sys.argv[1:]
con = duckdb.connect(path, read_only=True)
con.execute(f"set threads = {threads}")
started = time.perf_counter()
for mart in marts:
    con.execute(f"select sum(hash(columns(*))::double) from marts.{mart}").fetchall()
print(time.perf_counter() - started)
"""


class Warehouse(Places):
    """Everything in one folder."""

    folder: Path

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "raw", folder / "datadecide.duckdb", folder)

    @property
    def environment(self) -> dict[str, str]:
        own = {"DATADECIDE_PSEUDONYM_KEY": KEY, "DATADECIDE_THREADS": THREADS}
        return super().environment | own

    def extract(self, *arguments: str | Path) -> Cost:
        return run([sys.executable, "-m", "extract", *arguments], ROOT, self.environment)

    def dbt(self, *arguments: str) -> Cost:
        return run(self.dbt_command("--quiet", *arguments), ROOT, self.environment)

    def build(self, *selected: str) -> tuple[Cost, float]:
        """The models; the cost of the process, and the seconds from the first one to the last."""
        cost = self.dbt("run", *selected)
        text = (self.target / "run_results.json").read_text()
        results: dict[str, Any] = json.loads(text)
        moments = [
            datetime.fromisoformat(timing[end])
            for result in results["results"]
            for timing in result["timing"]
            for end in ("started_at", "completed_at")
        ]
        return cost, (max(moments) - min(moments)).total_seconds()

    def python(self, script: str, *arguments: str | Path) -> str:
        """The last line that a script prints, in a process of its own."""
        output = run([sys.executable, "-c", script, *arguments], ROOT, self.environment).output
        return output.strip().splitlines()[-1]

    def seconds(self, script: str, *arguments: str | Path) -> float:
        """What a script measures."""
        return float(self.python(script, *arguments).split()[-1])  # after DuckDB's progress

    def read_whole(self, *marts: str) -> float:
        """The seconds that it takes to compute every value of marts, most of which are views."""
        return self.seconds(READ_WHOLE, self.database, THREADS, *marts)
