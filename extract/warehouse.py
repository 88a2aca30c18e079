"""Where the landing zone and the warehouse are, and how dbt is called on them.

The commands, the scripts, the benchmarks and the tests ask here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_RAW_DIR = Path("data/raw")
DEFAULT_DATABASE = Path("data/datadecide.duckdb")
DEMO_RAW_DIR = Path("data/demo/raw")
DEMO_DATABASE = Path("data/demo/datadecide.duckdb")


@dataclass
class Warehouse:
    """A landing zone and the database that is built from it; relative paths are from the root.

    With a ``folder`` what dbt makes beside the database goes there, else where dbt_project.yml and
    profiles.yml say.
    """

    raw: Path
    database: Path
    folder: Path | None = None

    @property
    def target(self) -> Path:
        """Where dbt leaves what it has compiled, and its results."""
        return ROOT / "target" if self.folder is None else self.folder / "target"

    @property
    def environment(self) -> dict[str, str]:
        """What the commands and dbt need to know of it."""
        names = {"DATADECIDE_RAW_DIR": self.raw, "DATADECIDE_DB": self.database}
        if self.folder is not None:
            names["DATADECIDE_TEMP_DIR"] = self.folder / "tmp"
        return os.environ | {name: str(path) for name, path in names.items()}

    def dbt_arguments(self, *arguments: str) -> list[str]:
        """The arguments of a call of dbt, from the root and with the environment above."""
        if self.folder is None:
            return list(arguments)
        paths = ("--target-path", str(self.target), "--log-path", str(self.folder))
        return [*arguments, *paths]

    def dbt_command(self, *arguments: str) -> list[str]:
        """The same as a command; the database's folder has to be there."""
        return [str(Path(sys.executable).parent / "dbt"), *self.dbt_arguments(*arguments)]

    def run_dbt(self, *arguments: str) -> int:
        """Run dbt; its exit code."""
        (ROOT / self.database).parent.mkdir(parents=True, exist_ok=True)
        command = self.dbt_command(*arguments)
        return subprocess.run(command, cwd=ROOT, env=self.environment, check=False).returncode


def real() -> Warehouse:
    """The user's warehouse, from the environment or the defaults."""
    return Warehouse(
        Path(os.environ.get("DATADECIDE_RAW_DIR") or DEFAULT_RAW_DIR),
        Path(os.environ.get("DATADECIDE_DB") or DEFAULT_DATABASE),
    )


def demo(database: Path | None = None) -> Warehouse:
    """The demo's own zone and warehouse, which never mix with real data.

    Another database has a folder of its own, so that both can be built at once.
    """
    return Warehouse(DEMO_RAW_DIR, database or DEMO_DATABASE, database and database.parent)
