"""Threads that fetch side by side: every item comes out once, and what hangs is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from extract.wandb.pool import Beat, Pool, StalledError

NewPool = Callable[..., Pool[Any]]


@pytest.fixture
def new_pool() -> Iterator[NewPool]:
    pools: list[Pool[Any]] = []

    def new(work: Callable[[Any, Beat], Any], *, workers: int = 2, deadline_s: float = 30.0) -> Any:
        pools.append(Pool(work, workers=workers, deadline_s=deadline_s))
        return pools[-1]

    yield new
    for pool in pools:
        pool.close()


def everything(pool: Pool[Any], seconds: float = 10.0) -> list[tuple[Any, Any]]:
    found, until = [], time.monotonic() + seconds
    while pool.pending and time.monotonic() < until:
        found += pool.results(0.05)
    assert not pool.pending
    return found


def test_every_item_comes_out_once(new_pool: NewPool) -> None:
    pool = new_pool(lambda item, beat: item * 2, workers=4)
    for item in range(200):
        pool.submit(item)
    assert sorted(everything(pool)) == [(item, item * 2) for item in range(200)]
    assert pool.results(0.0) == [] and pool.waiting_for() == ""


def test_one_worker_keeps_the_order(new_pool: NewPool) -> None:
    pool = new_pool(lambda item, beat: None, workers=1)
    for item in range(50):
        pool.submit(item)
    assert [item for item, _ in everything(pool)] == list(range(50))


def test_what_is_raised_is_a_result(new_pool: NewPool) -> None:
    def work(item: int, beat: Beat) -> float:
        return 1 / item

    pool = new_pool(work)
    pool.submit(0)
    pool.submit(2)
    results = dict(everything(pool))
    assert isinstance(results[0], ZeroDivisionError) and results[2] == 0.5
    pool.submit(4)  # its threads go on
    assert everything(pool) == [(4, 0.25)]


def test_results_wait_no_longer_than_they_are_told(new_pool: NewPool) -> None:
    release = threading.Event()
    pool = new_pool(lambda item, beat: release.wait(10))
    pool.submit(1)
    began = time.monotonic()
    assert pool.results(0.0) == [] and pool.results(0.3) == []
    assert 0.3 <= time.monotonic() - began < 2
    release.set()
    assert everything(pool) == [(1, True)]


def test_what_stalls_is_left_behind_and_its_late_result_dropped(new_pool: NewPool) -> None:
    """More than there are workers, so that others must take their places."""
    release, ended = threading.Event(), []

    def work(item: int, beat: Beat) -> int:
        beat(f"item {item}")
        if item < 5:
            release.wait(30)
        ended.append(item)
        return item

    pool = new_pool(work, workers=2, deadline_s=0.5)
    for item in range(20):
        pool.submit(item)
    results = everything(pool)
    assert len(results) == 20
    by_item = dict(results)
    assert sorted(by_item) == list(range(20))
    for item in range(5):
        assert isinstance(by_item[item], StalledError)
        assert str(by_item[item]) == f"item {item}: nothing has come for 0 s"
    assert [by_item[item] for item in range(5, 20)] == list(range(5, 20))
    release.set()
    while len(ended) < 20:
        time.sleep(0.01)
    time.sleep(0.1)
    assert pool.results(0.1) == [] and pool.pending == 0


def test_who_beats_is_not_left_behind_and_who_was_ends_at_the_next_beat(new_pool: NewPool) -> None:
    ended: list[str] = []

    def work(item: str, beat: Beat) -> str:
        for _ in range(8):
            time.sleep(0.2 if item == "slow" else 1.6)
            beat(item)
        ended.append(item)
        return item

    pool = new_pool(work, deadline_s=1.0)
    pool.submit("slow")
    pool.submit("too slow")
    results = dict(everything(pool))
    assert results["slow"] == "slow" and isinstance(results["too slow"], StalledError)
    time.sleep(0.7)
    assert ended == ["slow"]


def test_it_tells_what_has_taken_longest(new_pool: NewPool) -> None:
    release, begun = threading.Event(), threading.Event()

    def work(item: str, beat: Beat) -> None:
        beat(f"reading {item}")
        begun.set()
        release.wait(10)

    pool = new_pool(work, workers=1)
    pool.submit("a")
    begun.wait(5)
    assert pool.waiting_for() == "reading a"
    time.sleep(1.05)
    assert pool.waiting_for() == "reading a (1 s)"
    release.set()
    everything(pool)
