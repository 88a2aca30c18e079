"""Fixtures of the tests of the extractors; what they share beside is in testing.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from tests.python.testing import KEY, ROOT

# The same examples in each run, and on a machine that is busy; a failure prints how to repeat it.
settings.register_profile("checked", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("checked")

# Rooms whose files take longest come first, so that no process is left alone with one of them.
LONGEST = ("warehouse", "instances", "wandb", "huggingface", "posttrain")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are dealt to processes in the order of their tests; a file's own order stays."""
    items.sort(
        key=lambda item: (
            LONGEST.index(room) if (room := item.path.parent.name) in LONGEST else len(LONGEST)
        )
    )


@pytest.fixture
def zone(tmp_path: Path) -> LandingZone:
    return LandingZone(tmp_path / "raw")


@pytest.fixture
def pseudonymiser() -> Pseudonymiser:
    return Pseudonymiser(KEY)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real records, which are not part of the repository."""
    path = ROOT.parent / "shared" / "data"
    if not (path / "wandb" / "runs.jsonl").is_file():
        pytest.skip("the real records are not here: expected ../shared/data beside the project")
    return path
