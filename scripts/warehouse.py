"""Where the zone and the warehouse are, and how dbt is called: shared by the scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO_RAW_DIR = Path("data/demo/raw")
DEMO_DATABASE = Path("data/demo/datadecide.duckdb")


@dataclass(frozen=True)
class Warehouse:
    """A landing zone and the database that is built from it; relative paths are from the root."""

    raw_dir: Path
    database: Path
    is_demo: bool

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DATADECIDE_RAW_DIR": str(self.raw_dir),
            "DATADECIDE_DB": str(self.database),
        }

    def dbt(self, *arguments: str) -> int:
        """Run dbt on this warehouse; its exit code."""
        (ROOT / self.database).parent.mkdir(parents=True, exist_ok=True)
        command = [Path(sys.executable).parent / "dbt", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.environment, check=False).returncode


def real() -> Warehouse:
    """The user's warehouse, from the environment or the defaults."""
    return Warehouse(
        Path(os.environ.get("DATADECIDE_RAW_DIR") or "data/raw"),
        Path(os.environ.get("DATADECIDE_DB") or "data/datadecide.duckdb"),
        is_demo=False,
    )


def demo(database: Path | None = None) -> Warehouse:
    """The demo's own zone and warehouse, which never mix with real data."""
    return Warehouse(DEMO_RAW_DIR, database or DEMO_DATABASE, is_demo=True)


def current() -> Warehouse:
    """The real warehouse where something has landed, else the demo."""
    warehouse = real()
    landed = (ROOT / warehouse.raw_dir).glob("_manifests/*/*.json")
    return warehouse if any(landed) else demo()
