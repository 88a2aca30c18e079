"""Fixtures of the tests of the extractors; what they share beside is in extract_testing.py.

(It cannot stand here: the tests of the warehouse have a conftest of their own, and only one module
can be imported by that name.)
"""

from __future__ import annotations

from pathlib import Path

import pytest
from extract_testing import KEY, ROOT

from extract.landing import LandingZone
from extract.privacy import Pseudonymiser


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
