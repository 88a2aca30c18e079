"""`pretrain`: what lands of the hub, by commit, and what `status` tells of it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import termios
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from extract.cli import app
from extract.landing.zone import LandingZone
from tests.python.huggingface.double import Blob, HubDouble, Repo
from tests.python.huggingface.testing import (
    EVAL,
    FITS_FILE,
    MACRO_FILE,
    PPL,
    PPL_FILE,
    TOKEN,
    TRAIN_FILES,
    command,
    content,
    entries,
    eval_file,
    eval_files,
    fits_file,
    in_child,
    macro_file,
    ppl_file,
    pretrain,
    publish,
    refused,
    variables,
)
from tests.python.testing import ROOT, check_zone, environment, files_of, landed


def test_everything_lands_at_the_pinned_commits(hub: HubDouble, zone: LandingZone) -> None:
    answer = command(hub, zone)
    assert answer.code == 0
    size = sum(
        len(b) for b in (ppl_file(), eval_file(40), eval_file(41), macro_file(), fits_file())
    )
    assert answer.summary == {
        "command": "pretrain", "files": 5, "already_landed": 0, "rows": 152, "bytes": size,
        "downloaded_bytes": size, "refused": 0,
    }  # fmt: skip
    assert f"{PPL.repo_id} at {PPL.revision[:8]}: 1 file, {len(ppl_file()):,} B" in answer.err
    check_zone(zone)
    found = {
        (entry.kind, entry.entity, entry.project, entry.rows, (entry.provenance or {})["path"])
        for entry in entries(zone)
    }
    assert found == {
        ("ppl", PPL.name, PPL.revision, 40, PPL_FILE),
        ("evals", EVAL.name, EVAL.revision, 40, TRAIN_FILES[0]),
        ("evals", EVAL.name, EVAL.revision, 41, TRAIN_FILES[1]),
        ("macro_avg", EVAL.name, EVAL.revision, 11, MACRO_FILE),
        ("scaling_law_fits", EVAL.name, EVAL.revision, 20, FITS_FILE),
    }
    for entry in entries(zone):
        folder, _, name = entry.path.rpartition("/")
        assert folder == f"huggingface/{entry.entity}/{entry.project}"
        origin = entry.provenance or {}
        assert name.endswith(f"-{Path(origin['path']).name}")
        assert (origin["sha256"], origin["size"]) == (entry.sha256, entry.bytes)
        assert origin["repo_id"] == f"allenai/{entry.entity}"
        assert origin["revision"] == entry.project
        assert origin["fetched_at"].endswith("Z")
    outcomes = landed(zone, "outcomes")
    assert {record["status"] for record in outcomes} == {"landed"}
    assert f"{EVAL.repo_id}/{MACRO_FILE}" in {record["item"] for record in outcomes}
    assert {record["source"] for record in outcomes} == {"huggingface"}
    assert {record["project"] for record in outcomes} == {PPL.revision, EVAL.revision}
    # One batch a dataset: no model ever sees a part of one.
    assert len(list(zone.manifests())) == 2
    assert not (zone.root / "_downloads").exists()
    assert not (zone.root.parent / "home").exists()  # nothing is kept beside the zone


def test_what_has_landed_costs_no_request(hub: HubDouble, zone: LandingZone) -> None:
    command(hub, zone)
    hub.requests.clear()
    before = files_of(zone)
    again = command(hub, zone)
    assert again.code == 0
    assert again.counts() == (0, 5, 0)
    assert pretrain(hub, zone, "--split", "macro_avg").counts() == (0, 1, 0)
    assert hub.requests == []
    assert files_of(zone) == before
    assert again.err == ""


def test_only_files_are_asked_for_and_only_of_the_hub(hub: HubDouble, zone: LandingZone) -> None:
    """By default the client asks the hub for a list of tools to look for on the user's machine,
    and names those that it has found in every request."""
    pretrain(hub, zone, HF_TOKEN=TOKEN)
    assert hub.asked("agent-harnesses") == []
    assert {request.method for request in hub.requests} == {"GET", "HEAD"}
    for request in hub.requests:
        assert request.headers["user-agent"].startswith("datadecide-warehouse/")
        # The signed addresses of large files are of other hosts, which have no business with it.
        sent = request.headers.get("authorization")
        assert sent == (f"Bearer {TOKEN}" if request.host == "hub" else None)
    assert len(hub.asked("cdn GET")) == 5
    assert not [request for request in hub.requests if "README" in request.path]


def test_xet_is_used_only_when_asked_for(hub: HubDouble, zone: LandingZone) -> None:
    """The hub offers every large file by Xet as well, from servers of its own."""
    asked = pretrain(hub, zone, "--dataset", "ppl-results", HF_HUB_DISABLE_XET="0")
    assert hub.asked("xet-read-token")
    assert (asked.code, list(refused(zone).values())) == (1, ["hub_unreachable"])
    assert "leave HF_HUB_DISABLE_XET unset" in asked.err
    hub.requests.clear()
    assert pretrain(hub, zone, "--dataset", "ppl-results").code == 0
    assert not hub.asked("xet")


def test_a_hub_that_answers_without_redirects(zone: LandingZone, everything: Counter[Any]) -> None:
    """A mirror, or files that are small enough to be in git itself."""
    with HubDouble(redirects=False) as hub:
        publish(hub)
        hub.repo(PPL.repo_id).commit({PPL_FILE: Blob(ppl_file(), lfs=False)}, sha=PPL.revision)
        assert pretrain(hub, zone).code == 0
    assert content(zone) == everything


def test_splits_and_datasets_can_be_left_out(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    first = pretrain(hub, zone, "--split", "macro_avg", "--split", "scaling_law_fit")
    assert (first.code, first.counts()) == (0, (2, 0, 0))
    assert {entry.kind for entry in entries(zone)} == {"macro_avg", "scaling_law_fits"}
    assert hub.asked(PPL.name) == []
    second = pretrain(hub, zone, "--dataset", "ppl-results")
    assert (second.code, second.counts()) == (0, (1, 0, 0))
    third = pretrain(hub, zone)
    assert (third.code, third.counts()) == (0, (2, 3, 0))
    assert len(hub.asked("cdn GET")) == 5
    assert content(zone) == everything
    check_zone(zone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "test"], "train, macro_avg, scaling_law_fit"),
        (["--dataset", "c4"], "allenai/DataDecide-ppl-results"),
        (["--dataset", "ppl-results", "--split", "macro_avg"], "none of the splits"),
        (["--revision", "c4=main"], "allenai/DataDecide-ppl-results"),
        (["--revision", "a" * 40], "a commit is of one dataset"),
        (["--revision", "ppl-results="], "empty"),
        (["--revision", "main", "--source", "."], "40 characters"),
        (["--max-gb", "-1"], "--max-gb"),
        (["--max-gb", "many"], "--max-gb"),
        (["unexpected"], "unexpected"),
    ],
)
def test_wrong_usage(zone: LandingZone, arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["pretrain", *arguments, "--raw-dir", str(zone.root)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert not zone.root.exists()


def test_a_terminal_shows_what_arrives(hub: HubDouble, zone: LandingZone) -> None:
    """The client labels its bar with the end of the address, which is signed."""
    terminal, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = subprocess.run(
        [sys.executable, "-m", "extract", "pretrain", "--raw-dir", str(zone.root)],
        cwd=ROOT, env=variables(hub, zone), stdout=subprocess.PIPE, stderr=inner, timeout=60,
    )  # fmt: skip
    os.close(inner)
    shown = os.read(terminal, 2**20).decode()
    os.close(terminal)
    assert process.returncode == 0
    for path in (PPL_FILE, *TRAIN_FILES):
        assert f"{path}: 100%" in shown
    assert "Signature" not in shown and "for-logs" not in shown


def test_a_branch_that_moves_lands_as_the_commits_that_it_was(
    hub: HubDouble, zone: LandingZone, eval_repo: Repo
) -> None:
    """`main` is not what lands: one table would be of two commits, and nobody would know which."""
    arguments = ("--dataset", "eval-results", "--revision", "main")
    first = pretrain(hub, zone, *arguments)
    assert (first.code, first.counts()) == (0, (4, 0, 0))
    inodes = {(zone.root / entry.path).stat().st_ino for entry in entries(zone)}
    moved = eval_repo.commit(eval_files() | {MACRO_FILE: macro_file(12)})
    hub.requests.clear()
    second = pretrain(hub, zone, *arguments)
    assert (second.code, second.counts()) == (0, (4, 0, 0))
    # What has not changed is the same file on disk, not a second copy.
    assert len(hub.asked("cdn GET")) == 1
    new = [entry for entry in entries(zone) if entry.project == moved]
    assert len(new) == 4
    same = [e for e in new if (zone.root / e.path).stat().st_ino in inodes]
    assert {entry.kind for entry in same} == {"evals", "scaling_law_fits"}
    assert second.summary["downloaded_bytes"] == len(macro_file(12))
    hub.requests.clear()
    assert pretrain(hub, zone, *arguments).counts() == (0, 4, 0)
    assert hub.asked("revision/main") and hub.asked("/tree/") and not hub.asked("/resolve/")
    hub.requests.clear()
    assert pretrain(hub, zone, *arguments[:2], "--revision", moved).counts() == (0, 4, 0)
    assert hub.requests == []
    assert {m.arguments["asked"] for m in zone.manifests()} == {"main"}
    assert [m.arguments["revision"] for m in zone.manifests()] == [EVAL.revision, moved]
    check_zone(zone)


def test_a_revision_for_each_dataset(
    hub: HubDouble, zone: LandingZone, ppl_repo: Repo, eval_repo: Repo
) -> None:
    ppl = ppl_repo.commit({PPL_FILE: ppl_file(7)}, branch="fix/rows")
    evals = eval_repo.commit(eval_files() | {FITS_FILE: fits_file(3)})
    answer = pretrain(
        hub, zone, "--revision", "allenai/DataDecide-ppl-results=fix/rows",
        "--revision", f"eval-results={evals.upper()}", "--split", "train",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert {entry.project for entry in entries(zone)} == {ppl, evals}
    assert hub.asked("revision/fix%2Frows")


def test_a_revision_that_is_not_there(hub: HubDouble, zone: LandingZone) -> None:
    answer = pretrain(
        hub, zone, "--revision", "ppl-results=no-such", "--revision", f"eval-results={'a' * 40}"
    )
    assert answer.code == 1
    assert refused(zone) == {PPL.repo_id: "no_such_revision", EVAL.repo_id: "no_such_revision"}
    assert f"{hub.url}/datasets/{PPL.repo_id}/commits/main" in answer.err
    check_zone(zone)


def test_a_split_that_is_not_there(hub: HubDouble, zone: LandingZone, eval_repo: Repo) -> None:
    files = {path: blob for path, blob in eval_files().items() if path != MACRO_FILE}
    other = eval_repo.commit(files)
    answer = pretrain(hub, zone, "--revision", f"eval-results={other}")
    assert (answer.code, answer.counts()) == (1, (4, 0, 1))
    assert refused(zone) == {EVAL.repo_id: "no_such_split"}
    assert "has no split macro_avg" in answer.err


def status(zone: LandingZone) -> tuple[list[dict[str, Any]], str]:
    result = subprocess.run(
        [sys.executable, "-m", "extract", "status", "--raw-dir", str(zone.root)],
        cwd=ROOT, env=environment(key=None), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return json.loads(result.stdout)["sources"], result.stderr


def test_status_tells_of_pretraining_results(hub: HubDouble, zone: LandingZone) -> None:
    hub.repo(EVAL.repo_id).gated = True
    pretrain(hub, zone)
    hub.repo(EVAL.repo_id).gated = False
    pretrain(hub, zone)
    sources, table = status(zone)
    assert {entry["source"] for entry in sources} == {"huggingface"}
    found = {entry["kind"]: (entry["batches"], entry["files"], entry["rows"]) for entry in sources}
    outcomes = found.pop("outcomes")
    assert outcomes[0] == 3
    assert found == {
        "ppl": (1, 1, 40), "evals": (1, 2, 81), "macro_avg": (1, 1, 11),
        "scaling_law_fits": (1, 1, 20),
    }  # fmt: skip
    lines = table.splitlines()
    assert len({line.index("2", 60) for line in lines if "evals" in line or "ppl" in line}) == 1
    assert "stg_huggingface__outcomes" in table
    assert "no manifest" not in table
    shutil.rmtree(zone.root / "_manifests")
    assert len(zone.unlisted_files()) == 5 + 3
    before = files_of(zone)
    assert pretrain(hub, zone).code == 0
    assert before.items() <= files_of(zone).items()  # they may be of a zone that is being copied


def test_status_tells_of_downloads_that_have_not_landed(hub: HubDouble, zone: LandingZone) -> None:
    in_child(hub, zone, call="link", number=1)
    _, table = status(zone)
    assert "not landed" in table and "_downloads" in table
