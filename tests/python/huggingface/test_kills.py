"""`pretrain`: killed at every step and at random moments, and two calls at once."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from extract.landing.zone import LandingZone
from tests.python.huggingface.double import HubDouble
from tests.python.huggingface.testing import (
    PPL,
    PPL_FILE,
    content,
    entries,
    in_child,
    large_file,
    pretrain,
    publish,
    start,
)
from tests.python.testing import check_zone


@pytest.mark.parametrize(("call", "steps"), [("rename", 5), ("link", 5), ("replace", 9)])
def test_killed_at_every_step_the_next_call_completes(
    tmp_path: Path, everything: Counter[Any], call: str, steps: int
) -> None:
    """The client moves a download into place (rename), it is taken into the batch (link), which
    is moved into place (replace). What had arrived whole is not fetched again."""
    again = 0
    for number in range(1, steps + 2):
        zone = LandingZone(tmp_path / str(number) / "raw")
        with HubDouble() as hub:
            publish(hub)
            code = in_child(hub, zone, call=call, number=number)
            assert code == (-signal.SIGKILL if number <= steps else 0)
            check_zone(zone, leftovers=True)
            assert max(content(zone).values(), default=1) == 1
            assert in_child(hub, zone) == 0
            again += len(hub.asked("cdn GET")) - 5
        assert content(zone) == everything
        check_zone(zone)
    # Only a file that had not been moved into place when the process died is fetched again.
    assert again == (5 if call == "rename" else 0)


@pytest.mark.parametrize("number", [1, 3])
def test_killed_while_it_tidies_up_the_next_call_does(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any], number: int
) -> None:
    """The batch has landed, and what it was made of is being removed."""
    assert in_child(hub, zone, call="rmdir", number=number) == -signal.SIGKILL
    assert len(entries(zone)) == 1
    assert in_child(hub, zone) == 0
    assert content(zone) == everything
    check_zone(zone)
    # And so when there is nothing else to do.
    notes = zone.downloads("huggingface") / PPL.name / PPL.revision / ".cache" / "note"
    notes.parent.mkdir(parents=True)
    notes.touch()
    hub.requests.clear()
    assert in_child(hub, zone) == 0
    assert hub.requests == []
    check_zone(zone)


def test_killed_at_random_moments(tmp_path: Path, everything: Counter[Any]) -> None:
    clock = random.Random(20_250_415)
    kills = 0
    zone = LandingZone(tmp_path / "0" / "raw")
    with HubDouble() as hub:
        publish(hub)
        hub.chunk_delay = 0.02
        while kills < 8:
            process = start(hub, zone)
            time.sleep(clock.uniform(0.1, 0.75))
            process.kill()
            process.communicate()
            check_zone(zone, leftovers=True)
            if process.returncode == 0:
                zone = LandingZone(tmp_path / str(kills) / "raw")
            kills += process.returncode != 0
        hub.chunk_delay = 0
        assert pretrain(hub, zone).code == 0
    check_zone(zone)
    assert content(zone) == everything


def test_the_part_of_a_cut_download_is_removed(hub: HubDouble, zone: LandingZone) -> None:
    """The client neither uses it again nor removes it: each kill left one more on the disk."""
    hub.repo(PPL.repo_id).commit({PPL_FILE: large_file()}, sha=PPL.revision)
    hub.fail("cdn GET", stall=(11 * 2**20, 60))
    process = start(hub, zone)
    deadline = time.monotonic() + 30
    while not any(p.stat().st_size for p in zone.root.glob("_downloads/**/*.incomplete")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    check_zone(zone, leftovers=True)
    assert len(list(zone.root.glob("_downloads/**/*.incomplete"))) == 1
    hub.fail("cdn GET", status=403, times=None)
    assert pretrain(hub, zone, "--dataset", "ppl-results").code == 1
    assert not list(zone.root.glob("_downloads/**/*.incomplete"))


def test_two_calls_at_once(hub: HubDouble, zone: LandingZone, everything: Counter[Any]) -> None:
    hub.chunk_delay = 0.02
    both = [start(hub, zone), start(hub, zone)]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(json.loads(out)["files"] for out, _ in answers) == [0, 5]
    assert len(hub.asked("cdn GET")) == 5
    assert content(zone) == everything
    check_zone(zone)
