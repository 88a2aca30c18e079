"""`instances`: again, in bounded space, killed, and several calls at once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from extract.instances import call
from extract.instances.request import Request
from extract.landing.zone import LandingZone
from extract.simulator import instances as simulator
from tests.python.instances.testing import (
    KEYS,
    OTHER,
    PROCESSES,
    RECIPE,
    check_clean,
    counts,
    keys_of,
    land,
    land_in_process,
    landed_content,
    watching,
)
from tests.python.simulator.test_instances import checkpoints_of
from tests.python.testing import (
    ROOT,
    check_zone,
    environment,
    files_of,
    peak_memory,
)


def test_what_has_landed_is_not_converted_again(zone: LandingZone, archive: Path) -> None:
    land(zone, archive, steps=[1250])
    before = files_of(zone)
    assert counts(land(zone, archive, steps=[1250])) == (0, 3, 0)
    assert files_of(zone) == before
    assert counts(land(zone, archive)) == (1, 3, 0)
    assert files_of(zone).items() > before.items()
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}


def test_tasks_that_were_left_out_land_later(zone: LandingZone, archive: Path) -> None:
    whole = LandingZone(zone.root.parent / "whole")
    land(whole, archive)
    assert counts(land(zone, archive, tasks=["piqa"], params=["4M"])) == (1, 0, 0)
    assert counts(land(zone, archive, tasks=["piqa", "csqa"])) == (4, 0, 0)
    assert counts(land(zone, archive)) == (4, 0, 0)
    assert counts(land(zone, archive)) == (0, 4, 0)
    assert landed_content(zone) == landed_content(whole)
    check_clean(zone)


def test_at_most_three_checkpoints_are_on_disk(zone: LandingZone, tmp_path: Path) -> None:
    keys = [("150M", 2, 1250 * number) for number in range(1, 13)]
    written = simulator.write(tmp_path, RECIPE, checkpoints=keys, questions_per_task=100)
    largest = max(
        sum(len(content) for content in files.values()) for _, files in checkpoints_of(written.path)
    )
    sizes: list[int] = []
    with watching(zone, sizes):
        assert counts(land(zone, written.path)) == (12, 0, 0)
    # Nearly 12 of them went through.
    assert 0.5 * largest < max(sizes) <= 3 * largest
    check_clean(zone)


def test_peak_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    """It once did, by 2.7 MB for each checkpoint: the compressor of each batch stayed."""
    peaks = []
    for count in (6, 80):
        keys = [("150M", 2, 1250 * number) for number in range(1, count + 1)]
        written = simulator.write(
            tmp_path / str(count), RECIPE, checkpoints=keys, questions_per_task=10
        )
        code, peak = peak_memory(
            "instances", RECIPE, "--source", written.path, "--raw-dir", tmp_path / f"raw-{count}"
        )
        assert code == 0
        peaks.append(peak)
    # What DuckDB holds back differs by 80 MB between calls.
    assert peaks[1] < peaks[0] + 150e6 and peaks[1] < 600e6, peaks


def test_killed_at_random_moments_the_next_call_completes(tmp_path: Path) -> None:
    """`kill -9` thirty times; a zone is used until a call completes."""
    keys = [("150M", 2, 1250 * number) for number in range(1, 9)]
    archive = simulator.write(tmp_path, RECIPE, checkpoints=keys, questions_per_task=3).path
    undisturbed = LandingZone(tmp_path / "undisturbed")
    started = time.monotonic()
    assert counts(land(undisturbed, archive)) == (8, 0, 0)
    duration = time.monotonic() - started
    expected = landed_content(undisturbed)
    clock = random.Random(20_250_415)
    zones, kills, leftovers = 0, 0, 0
    zone = LandingZone(tmp_path / "raw-0")
    while kills < 30:
        begun = PROCESSES.Event()
        process = PROCESSES.Process(
            target=land_in_process, args=(zone.root, archive, RECIPE, begun)
        )
        process.start()
        assert begun.wait(timeout=60)
        process.join(clock.uniform(0, duration))
        process.kill()
        process.join()
        check_zone(zone, leftovers=True)
        if process.exitcode == -signal.SIGKILL:
            kills += 1
            leftovers += any((zone.root / "_tmp").glob("*/*"))
        if process.exitcode == 0 or clock.random() < 0.3:
            summary = land(zone, archive)
            assert summary.refused == 0 and summary.checkpoints + summary.already_landed == 8
            check_clean(zone)
            assert landed_content(zone) == expected
            zones += 1
            zone = LandingZone(tmp_path / f"raw-{zones}")
    land(zone, archive)
    check_clean(zone)
    assert landed_content(zone) == expected
    assert leftovers > 5  # the kills did hit where it hurts


def test_two_recipes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Also where one is called what the other's name begins with, and one of them is killed."""
    keys = [("150M", 2, 1250 * number) for number in range(1, 13)]
    for tar_name in (RECIPE, OTHER):
        simulator.write(tmp_path, tar_name, checkpoints=keys, questions_per_task=3)
    apart = LandingZone(tmp_path / "apart")
    land(apart, tmp_path / "models", recipes=[RECIPE, OTHER])
    expected = landed_content(apart)
    zone = LandingZone(tmp_path / "raw")
    clock = random.Random(5)

    def start(tar_name: str) -> Any:
        process = PROCESSES.Process(
            target=land_in_process, args=(zone.root, tmp_path / "models", tar_name)
        )
        process.start()
        return process

    other = start(OTHER)
    n_kills = 0
    while other.is_alive():
        ours = start(RECIPE)
        time.sleep(clock.uniform(0, 0.4))
        ours.kill()
        ours.join()
        n_kills += ours.exitcode == -signal.SIGKILL
    other.join()
    assert other.exitcode == 0
    ours = start(RECIPE)
    ours.join(timeout=60)
    assert ours.exitcode == 0 and n_kills
    check_clean(zone)
    assert landed_content(zone) == expected


def test_two_calls_for_one_recipe_land_it_once(tmp_path: Path, archive: Path) -> None:
    zone = LandingZone(tmp_path / "raw")
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "extract", "instances", RECIPE, "--source", str(archive),
             "--raw-dir", str(zone.root)],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    found = [json.loads(out) for out, _ in answers]
    assert sum(summary["checkpoints"] for summary in found) == 4
    assert sum(summary["already_landed"] for summary in found) == 4
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}
    check_clean(zone)


def test_an_interrupt_leaves_nothing_behind(
    zone: LandingZone, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    told = iter(range(10))

    def interrupt(_name: str, _questions: int) -> None:
        if next(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call.land_source(zone, [archive], Request.of([RECIPE]), report=interrupt)
    check_clean(zone)
    assert threading.active_count() == before
    assert counts(land(zone, archive)) == (2, 2, 0)
