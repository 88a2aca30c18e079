"""Two simulated dumps of results."""

from __future__ import annotations

from pathlib import Path

import pytest

from extract.simulator.posttrain import write
from tests.python.posttrain.testing import (
    N,
)


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    write(tmp_path / "dumps", n_questions=N)
    return tmp_path / "dumps"
