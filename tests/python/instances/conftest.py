"""An archive as it is published, and the files of one checkpoint to be changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from extract.simulator import instances as simulator
from tests.python.instances.testing import (
    KEYS,
    RECIPE,
    Files,
    Key,
    N,
)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated tarball of four checkpoints."""
    folder = tmp_path_factory.mktemp("archive")
    return simulator.write(folder, RECIPE, checkpoints=KEYS, questions_per_task=N).path


@pytest.fixture(scope="session")
def checkpoint_files() -> Callable[..., Files]:
    """The files of one checkpoint, to be changed."""

    def files(key: Key = KEYS[0], tar_name: str = RECIPE) -> Files:
        made = simulator.checkpoint_files(tar_name, *key, questions_per_task=N)
        return {f"step-{key[2]}/{name}": content for name, content in made}

    return files
