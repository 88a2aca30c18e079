"""Warehouses that several tests look at, built once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from tests.python.warehouse.harness import SAMPLE, Warehouse, write_jsonl


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def new_warehouse(tmp_path: Path) -> Callable[[str], Warehouse]:
    return lambda name: Warehouse(tmp_path / name)


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of real records, which only this project's CI has."""
    if not SAMPLE.is_dir():
        pytest.skip("needs the sample records in ../shared/data, which a clone does not have")
    return SAMPLE


@pytest.fixture(scope="session")
def sample_warehouse(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The sample records, landed and built once, with every data test run."""
    built = Warehouse(tmp_path_factory.mktemp("sample"))
    built.land(sample / "runs.jsonl", sample / "history.jsonl")
    built.build(tests=True)
    return built


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """A folder that the first process of pytest makes and the others only read."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / f"{name}.lock"):
        if not (done := shared / f"{name}.done").exists():
            make(shared / name)
            done.touch()
    return shared / name


@pytest.fixture(scope="session")
def simulated_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated project as an export folder: runs.jsonl and history.jsonl."""
    from extract.simulator.wandb import simulate_runs

    def make(folder: Path) -> None:
        runs = list(simulate_runs(120))
        write_jsonl(folder / "runs.jsonl", (run.record for run in runs))
        write_jsonl(folder / "history.jsonl", (row for run in runs for row in run.history()))

    return made_once(tmp_path_factory, "export", make)


@pytest.fixture(scope="session")
def simulated_warehouse(
    simulated_export: Path, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """The simulated project, landed and built undisturbed."""

    def make(folder: Path) -> None:
        built = Warehouse(folder)
        built.land(simulated_export)
        built.build()

    return Warehouse(made_once(tmp_path_factory, "simulated", make))
