"""The hub as it is published, and what lands of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from extract.landing.zone import LandingZone
from tests.python.huggingface.double import HubDouble, Repo
from tests.python.huggingface.testing import (
    EVAL,
    PPL,
    TOKEN,
    content,
    pretrain,
    publish,
)


@pytest.fixture
def hub() -> Iterator[HubDouble]:
    """Both datasets at their pinned commits."""
    with HubDouble(tokens=frozenset({TOKEN})) as double:
        yield publish(double)


@pytest.fixture
def ppl_repo(hub: HubDouble) -> Repo:
    return hub.repo(PPL.repo_id)


@pytest.fixture
def eval_repo(hub: HubDouble) -> Repo:
    return hub.repo(EVAL.repo_id)


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[Any, ...]]:
    """What lands of both datasets when nothing goes wrong."""
    zone = LandingZone(tmp_path_factory.mktemp("everything") / "raw")
    with HubDouble() as double:
        assert pretrain(publish(double), zone).code == 0
    return content(zone)
