"""`instances`: archives from the hub."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.huggingface.hub import is_offline
from extract.instances.recipe import REPO_ID, REVISION
from extract.landing.zone import LandingZone
from extract.simulator import instances as simulator
from tests.python.huggingface.double import Blob, HubDouble
from tests.python.instances.testing import (
    KEYS,
    RECIPE,
    Files,
    a_link,
    check_clean,
    keys_of,
    reasons,
    tar_gz,
    without,
    write_archive,
)
from tests.python.testing import (
    ROOT,
    check_zone,
    cli,
    environment,
    files_of,
    landed,
    summary_of,
)


@pytest.fixture
def hub(archive: Path) -> Iterator[HubDouble]:
    with HubDouble() as double:
        double.repo(REPO_ID).commit(
            {f"models/{RECIPE}.tar.gz": archive.read_bytes(), "README.md": Blob(b"#\n", lfs=False)},
            sha=REVISION,
        )
        yield double


def command(hub: HubDouble, zone: LandingZone, *arguments: str | Path, **more: str) -> Any:
    variables = {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(zone.root.parent / "home"), "NO_PROXY": "127.0.0.1",
        "HF_TOKEN": "", **more,
    }  # fmt: skip
    result = cli("instances", *arguments, "--raw-dir", zone.root, **variables)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def test_a_recipe_lands_from_the_hub_and_its_tarball_goes(
    hub: HubDouble, zone: LandingZone, archive: Path
) -> None:
    result = command(hub, zone, "Dolma1.7")
    assert result.returncode == 0, result.stderr
    summary = summary_of(result)
    size = archive.stat().st_size
    assert (summary["checkpoints"], summary["downloaded_bytes"]) == (4, size)
    assert f"{REPO_ID}/models/{RECIPE}.tar.gz at {REVISION[:8]}" in result.stderr
    assert not list((zone.root / "_downloads").rglob("*.gz"))
    check_clean(zone)
    origins = {json.dumps(manifest.arguments.get("from")) for manifest in zone.manifests()}
    assert any(REVISION in origin and "sha256" in origin for origin in origins)

    hub.requests.clear()
    before = files_of(zone)
    again = summary_of(command(hub, zone, RECIPE))
    assert (again["checkpoints"], again["already_landed"], again["refused"]) == (0, 4, 0)
    part = summary_of(command(hub, zone, RECIPE, "--params", "4M", "--task", "boolq"))
    assert (part["already_landed"], part["refused"]) == (1, 0)
    assert hub.requests == [] and files_of(zone) == before


def test_killed_in_a_download_the_next_call_asks_for_the_rest(
    hub: HubDouble, zone: LandingZone, archive: Path
) -> None:
    """Of 5 GB: a call that was killed near the end began anew."""
    content = archive.read_bytes() + bytes(35_000_000)  # padded: the client writes 10 MB at once
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": content}, sha=REVISION)
    hub.chunk_delay = 0.002
    process = subprocess.Popen(
        [sys.executable, "-m", "extract", "instances", RECIPE, "--raw-dir", zone.root], cwd=ROOT,
        env=environment(HF_ENDPOINT=hub.url, HF_HOME=str(zone.root.parent / "home")),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = zone.downloads("instances") / RECIPE
    while not (parts := list(folder.glob("*.part"))) or parts[0].stat().st_size == 0:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    had = parts[0].stat().st_size
    assert 0 < had < len(content)
    hub.chunk_delay = 0.0
    hub.requests.clear()
    result = command(hub, zone, RECIPE)
    assert result.returncode == 0, result.stderr
    assert summary_of(result)["downloaded_bytes"] == len(content) - had
    (request,) = hub.asked("cdn GET")
    assert (request.headers["range"], request.status) == (f"bytes={had}-", 206)
    check_clean(zone)


def test_a_part_of_a_recipe_does_not_stand_for_the_rest(hub: HubDouble, zone: LandingZone) -> None:
    first = summary_of(command(hub, zone, RECIPE, "--step", "2500", "--keep-tarballs"))
    assert (first["checkpoints"], first["refused"]) == (1, 0)
    (kept,) = (zone.root / "_downloads").rglob("*.tar.gz")
    hub.requests.clear()
    second = summary_of(command(hub, zone, RECIPE))
    assert (second["checkpoints"], second["already_landed"]) == (3, 1)
    assert second["downloaded_bytes"] == 0 and not hub.asked("cdn GET")
    assert not kept.exists()


def test_what_was_refused_is_told_again_without_a_download(
    hub: HubDouble, zone: LandingZone, checkpoint_files: Callable[..., Files], tmp_path: Path
) -> None:
    inner = {key: tar_gz(checkpoint_files(key).items()) for key in KEYS[:2]}
    inner[KEYS[0]] = inner[KEYS[0]][:-9]
    path = write_archive(tmp_path, inner)
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": path.read_bytes()}, sha=REVISION)
    first = command(hub, zone, RECIPE)
    assert first.returncode == 1
    hub.requests.clear()
    again = command(hub, zone, RECIPE)
    assert again.returncode == 1 and hub.requests == []
    assert summary_of(again)["refused"] == 1 and "earlier call" in again.stderr


def test_what_has_landed_since_a_refusal_is_not_told(
    hub: HubDouble, zone: LandingZone, checkpoint_files: Callable[..., Files], tmp_path: Path
) -> None:
    """The exit code once stayed 1 for ever."""
    files = {key: checkpoint_files(key) for key in KEYS[:3]}
    inner = {key: tar_gz(files[key].items()) for key in KEYS[:3]}
    inner[KEYS[0]] = tar_gz(without("/piqa-metrics.json")(files[KEYS[0]]).items())
    inner[KEYS[1]] = tar_gz((files[KEYS[1]] | {"step-2500/gsm8k-metrics.json": b"{}"}).items())
    members = [(simulator.member_name(RECIPE, *key), content) for key, content in inner.items()]
    link = a_link(simulator.member_name(RECIPE, *KEYS[3]), "x", tarfile.SYMTYPE)
    path = write_archive(tmp_path, [*members, (link, b""), ("dolma1.7/README.md", b"")])
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": path.read_bytes()}, sha=REVISION)

    def call(*arguments: str | Path) -> tuple[int, int, int]:
        hub.requests.clear()
        result = command(hub, zone, RECIPE, *arguments)
        assert result.returncode == bool(summary_of(result)["refused"]), result.stderr
        return (
            summary_of(result)["checkpoints"], summary_of(result)["refused"],
            len(hub.asked("cdn GET")),
        )  # fmt: skip

    assert call() == (2, 4, 1)  # piqa, gsm8k, the link, README.md
    assert call() == (0, 3, 0)
    # What is not asked for is not told.
    assert call("--seed", "14") == (0, 0, 0)
    assert call("--step", "2500", "--task", "boolq") == (0, 0, 0)
    for _ in range(2):
        assert call("--step", "99") == (0, 1, 0)
        assert call("--seed", "14", "--step", "2500") == (0, 1, 0)
    # Without the damaged task it may land, so it is fetched again, once; what else is wrong with
    # the archive is told whenever it is read.
    asked = ["--params", "150M", "--step", "1250", "--seed", "2"]
    assert call(*asked, "--task", "boolq") == (1, 2, 1)
    assert call(*asked, "--task", "boolq") == (0, 0, 0)
    assert call(*asked) == (0, 3, 1)
    assert call(*asked) == (0, 1, 0)
    mended = {KEYS[0]: tar_gz(files[KEYS[0]].items()),
              KEYS[3]: tar_gz(checkpoint_files(KEYS[3]).items())}  # fmt: skip
    assert call("--source", write_archive(tmp_path / "mended", mended)) == (2, 0, 0)
    assert call(*asked) == (0, 0, 0)
    assert call("--params", "4M") == (0, 0, 0)
    assert call() == (0, 1, 0)  # gsm8k
    assert call("--task", "piqa") == (0, 0, 0)


def test_a_tarball_that_is_kept_stays(hub: HubDouble, zone: LandingZone) -> None:
    for arguments in (["--keep-tarballs"], [], ["--step", "2500"]):
        assert command(hub, zone, RECIPE, *arguments).returncode == 0
        assert list((zone.root / "_downloads").rglob("*.tar.gz"))


def test_a_download_with_another_checksum_is_refused(
    hub: HubDouble, zone: LandingZone, archive: Path
) -> None:
    content = archive.read_bytes()
    damaged = Blob(content, served=content[:-5] + b"12345")
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": damaged}, sha=REVISION)
    result = command(hub, zone, RECIPE)
    assert result.returncode == 1
    assert reasons(zone) == {f"{REPO_ID}/models/{RECIPE}.tar.gz": "checksum_mismatch"}
    assert keys_of(zone).total() == 0
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": content}, sha=REVISION)
    assert command(hub, zone, RECIPE).returncode == 0


def test_a_recipe_that_the_hub_does_not_have_is_refused_and_others_land(
    hub: HubDouble, zone: LandingZone
) -> None:
    result = command(hub, zone, "c4", RECIPE)
    assert result.returncode == 1
    summary = summary_of(result)
    assert (summary["checkpoints"], summary["refused"]) == (4, 1)
    assert reasons(zone) == {"models/c4.tar.gz": "no_such_file"}


def test_a_hub_that_cannot_be_reached_is_told_once_for_each_recipe(
    hub: HubDouble, zone: LandingZone
) -> None:
    result = command(hub, zone, "c4", RECIPE, HF_HUB_OFFLINE="1")
    assert result.returncode == 1
    assert summary_of(result)["refused"] == 2
    assert {record["reason"] for record in landed(zone, "outcomes")} == {"offline"}
    assert is_offline() is False


def test_killed_after_the_download_the_tarball_is_not_fetched_again(
    hub: HubDouble, zone: LandingZone
) -> None:
    """What a call leaves behind is what the next one goes on with."""
    process = subprocess.Popen(
        [sys.executable, "-m", "extract", "instances", RECIPE, "--raw-dir", str(zone.root)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(HF_ENDPOINT=hub.url, HF_HOME=str(zone.root.parent / "home")),
    )  # fmt: skip
    while not list((zone.root / "_manifests").glob("*/*.json")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    check_zone_without_downloads(zone)
    hub.requests.clear()
    result = command(hub, zone, RECIPE)
    assert result.returncode == 0 and not hub.asked("cdn GET")
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}
    check_clean(zone)


def check_zone_without_downloads(zone: LandingZone) -> None:
    check_zone(zone, leftovers=True)
    assert list((zone.root / "_downloads").rglob(f"{RECIPE}.tar.gz"))
