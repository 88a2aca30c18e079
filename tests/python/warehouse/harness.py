"""A landing zone and a warehouse of its own for each test, driven as a user drives them."""

from __future__ import annotations

import atexit
import functools
import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb

from extract.warehouse import ROOT
from extract.warehouse import Warehouse as Places
from tests.python.warehouse.dbt import Call, Server

SAMPLE = ROOT.parent / "shared" / "data" / "wandb"
PSEUDONYM_KEY = "a key that only tests use"

KILLED = -signal.SIGKILL
WITHOUT_TESTS = ("--exclude", "resource_type:unit_test", "resource_type:test")
# The marts of runs, what they are made of, what could not be read; other tests are left out.
RUNS_ONLY = (
    "--indirect-selection", "cautious",
    "--select", "+path:models/marts/runs", "+int_evals__rejected", "+int_history__unattributed",
)  # fmt: skip
RUN_MARTS = (
    "runs",
    "run_classifications",
    "run_configs",
    "run_config_values",
    "run_history",
    "run_evals",
)
PRETRAIN_MARTS = (
    "pretrain_checkpoints",
    "pretrain_evals",
    "pretrain_metrics",
    "pretrain_seed_stats",
    "scaling_law_fits",
)
INSTANCE_MARTS = (
    "instance_tasks",
    "instance_questions",
    "instance_choices",
    "instance_reconciliations",
    "instance_reconciliation_summaries",
)
# These marts and what they are held against, without the runs; a test that needs more is left out.
PRETRAIN_ONLY = (
    "--indirect-selection", "cautious",
    "--select", "+path:models/marts/pretraining", "+path:models/marts/dimensions",
)  # fmt: skip
INSTANCES_ONLY = (
    "--indirect-selection", "cautious",
    "--select", "+path:models/marts/instances", "+path:models/marts/dimensions",
    "+stg_instances__outcomes",
)  # fmt: skip


def moments(n_statements: int, n_kills: int) -> list[int]:
    """Statements of a build to be killed at, one in each of so many equal parts of it.

    A late one and an early one in turn, so that an early kill meets what a late one has left.
    """
    parts = [n_statements * (2 * number + 1) // (2 * n_kills) for number in range(n_kills)]
    late, early = parts[n_kills // 2 :], parts[: n_kills // 2]
    return [part for pair in zip_longest(late, early) for part in pair if part is not None]


@functools.cache
def dbt_server() -> Server:
    """That of this process, which reads the project once, when the first test needs it."""
    server = Server()
    atexit.register(server.close)
    return server


class Warehouse(Places):
    """A zone and a database below one folder; both tools run as processes of their own."""

    folder: Path

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "raw", folder / "datadecide.duckdb", folder)
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"DATADECIDE_PSEUDONYM_KEY": PSEUDONYM_KEY}

    def land_command(self, *paths: Path | str) -> list[str]:
        return [sys.executable, "-m", "extract", "wandb-files", *map(str, paths)]

    def land(self, *paths: Path | str, code: int = 0) -> dict[str, Any]:
        """`wandb-files` on the paths; its JSON summary."""
        done = self.attempt(*self.land_command(*paths))
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def pretrain_command(self, *folders: Path) -> list[str]:
        sources = [part for folder in folders for part in ("--source", str(folder))]
        return [sys.executable, "-m", "extract", "pretrain", *sources]

    def land_pretraining(self, *folders: Path) -> dict[str, Any]:
        """`pretrain` on folders of published tables; its JSON summary."""
        done = self.attempt(*self.pretrain_command(*folders))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def land_instances(
        self, recipe: str, folder: Path, *options: str, code: int = 0
    ) -> dict[str, Any]:
        """`instances` on a folder with the recipe's tarball; its JSON summary."""
        command = [sys.executable, "-m", "extract", "instances", recipe, "--source", str(folder)]
        done = self.attempt(*command, *options)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in this warehouse, whatever comes of it."""
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )

    def start_dbt(self, *arguments: str, dies_at: int | None = None) -> Call:
        """A call of dbt that goes on, or dies at a statement to the database."""
        return dbt_server().start(
            self.dbt_arguments("--quiet", *arguments),
            self.environment, self.folder / "dbt", dies_at,
        )  # fmt: skip

    def attempt_dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A dbt command, whatever comes of it."""
        return self.start_dbt(*arguments).completed()

    def dbt(self, *arguments: str) -> None:
        """A dbt command that must succeed."""
        done = self.attempt_dbt(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def build(self, *selected: str, tests: bool = False) -> None:
        """Seeds and models; with ``tests`` also every data test (unit tests run once)."""
        self.dbt("build", *selected, *(WITHOUT_TESTS[:2] if tests else WITHOUT_TESTS))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as con:
            return con.execute(sql).fetchall()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.database), read_only=True) as con:
            cursor = con.execute(sql)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def assert_same_marts(one: Warehouse, other: Warehouse, marts: Iterable[str] = RUN_MARTS) -> None:
    """Every mart holds the same rows in both warehouses, duplicates counted."""
    with duckdb.connect() as con:
        con.execute(f"attach '{one.database}' as one (read_only)")
        con.execute(f"attach '{other.database}' as other (read_only)")
        for mart in marts:
            for left, right in (("one", "other"), ("other", "one")):
                extra = con.execute(
                    f"select * from {left}.marts.{mart} except all "
                    f"select * from {right}.marts.{mart} limit 3"
                ).fetchall()
                assert not extra, f"only in {left}.{mart}: {extra}"


def write_jsonl(path: Path, records: Iterable[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record) + "\n")
    return path
