"""`pretrain`: the real hub client, in a process of its own, against a hub double on loopback."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import random
import resource
import runpy
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from extract.cli import app
from extract.errors import InputError
from extract.huggingface import pretrain_tables as tables
from extract.huggingface.pretrain import DATASETS
from extract.landing.manifest import LandedFile
from extract.landing.zone import LandingZone
from tests.python.huggingface.double import SIGNATURE, Blob, HubDouble, Repo
from tests.python.testing import ROOT, check_zone, environment, files_of, landed

PPL, EVAL = DATASETS
PPL_FILE = "data/train-00000-of-00001.parquet"
TRAIN_FILES = ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet")
MACRO_FILE = "data/macro_avg-00000-of-00001.parquet"
FITS_FILE = "data/scaling_law_fit-00000-of-00001.parquet"
# Shaped like a real one; what reads it must not find it anywhere else.
TOKEN = "hf_" + "Tk0n" * 9
# What the client would take over from the machine that runs the tests.
_INHERITED = ("HF_", "HUGGING", "XDG_", "TRANSFORMERS_")
# A hundred calls start faster from a process that has imported all but the client, which reads its
# settings when it is imported.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "extract.cli",
        "extract.huggingface.pretrain",
        "tests.python.huggingface.test_pretrain",
        "httpx2",
        "tqdm.auto",
        "filelock",
        "yaml",
    ]
)


# -- files ----------------------------------------------------------------------------------------


def parquet(columns: Mapping[str, str], rows: int = 40) -> bytes:
    """A Parquet file of the given columns, each an expression of the row number `i`."""
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    path = folder / f"test_pretrain-{os.getpid()}-{random.getrandbits(40)}.parquet"
    selected = ", ".join(f'{value} as "{name}"' for name, value in columns.items())
    try:
        duckdb.execute(f"copy (select {selected} from range({rows}) as _(i)) to '{path}'")
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def columns_of(table: tables.Table, **changes: str | None) -> dict[str, str]:
    """Values for every column that the table needs; a change to None leaves one out."""
    values = {
        name: "'x' || i" if accepted is not tables.NUMBER else "i::double"
        for name, accepted in table.columns.items()
    }
    values |= {name: value for name, value in changes.items() if value is not None}
    return {name: value for name, value in values.items() if changes.get(name, "") is not None}


@cache
def ppl_file(rows: int = 40) -> bytes:
    return parquet(columns_of(tables.PPL, step="i::bigint"), rows)


@cache
def eval_file(rows: int = 40, task: str = "'mmlu_' || i") -> bytes:
    return parquet(columns_of(tables.EVALS, task=task, step="i::bigint"), rows)


@cache
def macro_file(rows: int = 11) -> bytes:
    return eval_file(rows, task="if(i = 0, 'olmes_10_macro_avg', 'piqa')")


@cache
def fits_file(rows: int = 20) -> bytes:
    return parquet(columns_of(tables.SCALING_LAW_FITS), rows)


@cache
def large_file() -> bytes:
    """More than the 10 MiB in which the client takes a body from the network."""
    return parquet(columns_of(tables.PPL, data="uuid()::varchar"), 160_000)


def eval_files() -> dict[str, bytes]:
    return {
        TRAIN_FILES[0]: eval_file(40),
        TRAIN_FILES[1]: eval_file(41),
        MACRO_FILE: macro_file(),
        FITS_FILE: fits_file(),
    }


def publish(hub: HubDouble) -> HubDouble:
    hub.repo(PPL.repo_id).commit({PPL_FILE: ppl_file()}, sha=PPL.revision)
    readme = {"README.md": Blob(b"# DataDecide\n", lfs=False)}
    hub.repo(EVAL.repo_id).commit(eval_files() | readme, sha=EVAL.revision)
    return hub


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


# -- the command ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        (line,) = self.out.splitlines()
        return json.loads(line)

    def counts(self, *names: str) -> tuple[int, ...]:
        return tuple(self.summary[name] for name in names or ("files", "already_landed", "refused"))


def variables(hub: HubDouble | str, zone: LandingZone, **more: str) -> dict[str, str]:
    clean = {
        name: value for name, value in environment(key=None).items()
        if not name.startswith(_INHERITED) and "PROXY" not in name.upper()
    }  # fmt: skip
    return clean | {
        "HF_ENDPOINT": hub if isinstance(hub, str) else hub.url,
        "HF_HOME": str(zone.root.parent / "home"),
        **more,
    }


def start(
    hub: HubDouble | str, zone: LandingZone, *arguments: str | Path, limit: int = 0, **more: str
) -> subprocess.Popen[str]:
    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-m", "extract", "pretrain", *map(str, arguments), "--raw-dir",
         str(zone.root)],
        cwd=ROOT, env=variables(hub, zone, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, preexec_fn=limit_file_size if limit else None,
    )  # fmt: skip


def command(hub: HubDouble | str, zone: LandingZone, *arguments: str | Path, **more: Any) -> Answer:
    """`python -m extract pretrain`, as a user calls it."""
    process = start(hub, zone, *arguments, **more)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return Answer(process.returncode, out, err)


def run_module(settings: dict[str, str], arguments: list[str], out: str, err: str) -> None:
    os.environ.clear()
    os.environ.update(settings)
    os.chdir(ROOT)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        with open(path, "wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    sys.argv = ["extract", "pretrain", *arguments]
    runpy.run_module("extract", run_name="__main__")


def pretrain(
    hub: HubDouble | str, zone: LandingZone, *arguments: str | Path, **more: str
) -> Answer:
    """The same in a process that is forked instead of started: a third of the time."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        options = [*map(str, arguments), "--raw-dir", str(zone.root)]
        process = PROCESSES.Process(
            target=run_module, args=(variables(hub, zone, **more), options, str(out), str(err))
        )
        process.start()
        process.join(timeout=120)
        assert process.exitcode is not None
        assert "Traceback" not in err.read_text(), err.read_text()
        return Answer(process.exitcode, out.read_text(), err.read_text())


def entries(zone: LandingZone) -> list[LandedFile]:
    """All landed Parquet files."""
    return [
        entry for manifest in zone.manifests("huggingface") for entry in manifest.files
        if entry.kind != "outcomes"
    ]  # fmt: skip


def content(zone: LandingZone) -> Counter[tuple[Any, ...]]:
    """What has landed of which commit, and how often."""
    return Counter(
        (entry.kind, entry.entity, entry.project, (entry.provenance or {})["path"], entry.sha256)
        for entry in entries(zone)
    )


def refused(zone: LandingZone) -> dict[str, str]:
    """The reason of each refused item."""
    return {
        record["item"]: record["reason"]
        for record in landed(zone, "outcomes") if record["status"] == "refused"
    }  # fmt: skip


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[Any, ...]]:
    """What lands of both datasets when nothing goes wrong."""
    zone = LandingZone(tmp_path_factory.mktemp("everything") / "raw")
    with HubDouble() as double:
        assert pretrain(publish(double), zone).code == 0
    return content(zone)


# -- landing --------------------------------------------------------------------------------------


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


# -- revisions ------------------------------------------------------------------------------------


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


# -- sources that cannot be had -------------------------------------------------------------------

UNAVAILABLE: dict[str, tuple[Callable[[HubDouble], Any], dict[str, str], str]] = {
    "no such dataset": (lambda hub: hub.repos.pop(PPL.repo_id), {}, "HTTP 401"),
    "no such dataset, logged in": (
        lambda hub: hub.repos.pop(PPL.repo_id), {"HF_TOKEN": TOKEN}, "HTTP 404",
    ),
    "private": (lambda hub: setattr(hub.repo(PPL.repo_id), "private", True), {}, "HF_TOKEN"),
    "gated": (
        lambda hub: setattr(hub.repo(PPL.repo_id), "gated", True), {}, "accept its terms at http",
    ),
    "401": (lambda hub: hub.fail(PPL.name, status=401, times=None), {}, "HTTP 401"),
    "403": (lambda hub: hub.fail(PPL.name, status=403, times=None), {}, "HTTP 403"),
    "403 of the file": (
        lambda hub: hub.fail(f"{PPL.name}/resolve", status=403, times=None), {}, "HTTP 403",
    ),
    "404": (lambda hub: hub.fail(PPL.name, status=404, times=None), {}, "HTTP 404"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNAVAILABLE)
def test_an_unavailable_source_is_one_refusal_and_the_other_lands(
    hub: HubDouble, zone: LandingZone, case: str
) -> None:
    prepare, more, message = UNAVAILABLE[case]
    prepare(hub)
    answer = pretrain(hub, zone, **more)
    assert (answer.code, answer.counts()) == (1, (4, 0, 1))
    ((item, reason),) = refused(zone).items()
    assert reason == "source_unavailable"
    assert item in (PPL.repo_id, f"{PPL.repo_id}/{PPL_FILE}")
    assert message in answer.err and "--source DIR" in answer.err
    (record,) = [r for r in landed(zone, "outcomes") if r["status"] == "refused"]
    assert record["entity"] == PPL.name
    assert record["message"] in answer.err
    check_zone(zone)


def test_a_file_that_is_listed_but_not_there(hub: HubDouble, zone: LandingZone) -> None:
    code = {"X-Error-Code": "EntryNotFound"}
    hub.fail(f"resolve/.*/{MACRO_FILE}", status=404, headers=code, times=None)
    answer = pretrain(hub, zone)
    assert (answer.code, answer.counts()) == (1, (4, 0, 1))
    assert refused(zone) == {f"{EVAL.repo_id}/{MACRO_FILE}": "no_such_file"}


def test_an_endpoint_that_is_no_hub(hub: HubDouble, zone: LandingZone) -> None:
    hub.fail("hub GET", status=200, body=b"<html>Welcome</html>", times=None)
    answer = pretrain(hub, zone)
    assert answer.code == 1
    assert set(refused(zone).values()) == {"hub_unreachable"}
    assert "HF_ENDPOINT" in answer.err


def test_an_endpoint_without_a_scheme(zone: LandingZone) -> None:
    answer = pretrain("localhost:9", zone, "--dataset", "ppl-results")
    assert answer.code == 1
    assert refused(zone) == {PPL.repo_id: "hub_unreachable"}
    assert "HF_ENDPOINT" in answer.err


# -- faults that pass, and faults that stay -------------------------------------------------------

_BUSY = {"Retry-After": "0"}
_LIMITED = {"ratelimit": '"api";r=0;t=0', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}
PASSING: dict[str, Callable[[HubDouble], Any]] = {
    "429 with Retry-After": lambda hub: hub.fail("/tree/", status=429, headers=_BUSY),
    "429 with ratelimit": lambda hub: hub.fail("HEAD .*resolve", status=429, headers=_LIMITED),
    "429 of the content": lambda hub: hub.fail("cdn GET", status=429, headers=_BUSY),
    "500 of the listing": lambda hub: hub.fail("/tree/", status=500),
    "500 of the metadata": lambda hub: hub.fail("HEAD .*resolve", status=500),
    "500 of the content": lambda hub: hub.fail("cdn GET", status=500),
    "503 of a branch": lambda hub: hub.fail("/revision/", status=503),
    "connection cut": lambda hub: hub.fail("cdn GET", cut=11 * 2**20),
    "connection reset": lambda hub: hub.fail("cdn GET", reset=11 * 2**20),
    "connection stalled": lambda hub: hub.fail("cdn GET", stall=(11 * 2**20, 6)),
    "no answer": lambda hub: hub.fail("HEAD .*resolve", delay=5),
}
LASTING: dict[str, tuple[str, Callable[[HubDouble], Any]]] = {
    "500 of the listing": (
        "hub_unreachable",
        lambda hub: hub.fail("/tree/", status=500, headers=_BUSY, times=None),
    ),
    "500 of the metadata": (
        "hub_unreachable",
        lambda hub: hub.fail("HEAD .*resolve", status=503, headers=_BUSY, times=None),
    ),
    "500 of the content": (
        "hub_unreachable", lambda hub: hub.fail("cdn GET", status=500, times=None),
    ),
    "429 of the listing": (
        "hub_unreachable", lambda hub: hub.fail("/tree/", status=429, headers=_BUSY, times=None),
    ),
    "connection always reset": (
        "hub_unreachable", lambda hub: hub.fail("cdn GET", reset=100, times=None),
    ),
    "always too short": (
        "incomplete_download", lambda hub: hub.fail("cdn GET", status=200, times=None),
    ),
}  # fmt: skip


@dataclass
class Case:
    hub: HubDouble
    zone: LandingZone
    answer: Future[Answer]


@pytest.fixture(scope="module", autouse=True)
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """All calls that have to wait for something, begun together when the module begins."""
    found: dict[str, Case] = {}
    with ThreadPoolExecutor(20) as pool:
        prepared: list[tuple[str, Callable[[HubDouble], Any]]] = [
            *((f"passing: {name}", prepare) for name, prepare in PASSING.items()),
            *((f"lasting: {name}", prepare) for name, (_, prepare) in LASTING.items()),
            ("nobody there", lambda hub: hub.__exit__()),
        ]
        for name, prepare in prepared:
            hub = HubDouble().__enter__()
            data = large_file() if name.startswith("passing: connection") else ppl_file()
            hub.repo(PPL.repo_id).commit({PPL_FILE: data}, sha=PPL.revision)
            prepare(hub)
            zone = LandingZone(tmp_path_factory.mktemp("case") / "raw")
            arguments = ["--dataset", "ppl-results"]
            arguments += ["--revision", "main"] if "branch" in name else []
            more = {"HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_HUB_ETAG_TIMEOUT": "2"}
            more = more if name in ("passing: connection stalled", "passing: no answer") else {}
            answer = pool.submit(pretrain, hub, zone, *arguments, **more)
            found[name] = Case(hub, zone, answer)
        yield found
        for name, case in found.items():
            with suppress(Exception):
                case.answer.result()
            if name != "nobody there":
                case.hub.__exit__()


# -- files that are not what they should be -------------------------------------------------------


def test_a_wrong_checksum_is_refused_and_fetched_again(
    hub: HubDouble, zone: LandingZone, eval_repo: Repo, everything: Counter[Any]
) -> None:
    """The client compares sizes only."""
    right = macro_file()
    wrong = right[:200] + bytes(byte ^ 1 for byte in right[200:210]) + right[210:]
    eval_repo.commit(eval_files() | {MACRO_FILE: Blob(right, served=wrong)}, sha=EVAL.revision)
    answer = pretrain(hub, zone)
    assert (answer.code, answer.counts()) == (1, (4, 0, 1))
    assert refused(zone) == {f"{EVAL.repo_id}/{MACRO_FILE}": "checksum_mismatch"}
    assert not list(zone.root.glob("_downloads/**/*.parquet"))
    eval_repo.commit(eval_files(), sha=EVAL.revision)
    assert pretrain(hub, zone).counts() == (1, 4, 0)
    assert content(zone) == everything
    check_zone(zone)


def test_a_wrong_checksum_of_a_small_file(hub: HubDouble, zone: LandingZone) -> None:
    """Kept in git itself a file has no sha256 at the hub, but the hash of git."""
    wrong = Blob(ppl_file(), lfs=False, served=ppl_file()[:-9] + b"x" + ppl_file()[-8:])
    hub.repo(PPL.repo_id).commit({PPL_FILE: wrong}, sha=PPL.revision)
    assert pretrain(hub, zone, "--dataset", "ppl-results").code == 1
    assert list(refused(zone).values()) == ["checksum_mismatch"]


DEFECTS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "none": (lambda: eval_file(5), "", ""),
    "stray column": (
        lambda: parquet(columns_of(tables.EVALS, __index_level_0__="i", step="i::double")), "", "",
    ),
    "missing column": (
        lambda: parquet(columns_of(tables.EVALS, metrics=None)),
        "missing_column", "has no column metrics",
    ),
    "text for a number": (
        lambda: parquet(columns_of(tables.EVALS, tokens="'many'")),
        "wrong_type", "column tokens is VARCHAR, expected a number",
    ),
    "number for a text": (
        lambda: parquet(columns_of(tables.EVALS, seed="i")),
        "wrong_type", "column seed is BIGINT, expected text",
    ),
    "struct for a text": (
        lambda: parquet(columns_of(tables.EVALS, metrics="{'acc_raw': 0.5}")),
        "wrong_type", "column metrics is STRUCT",
    ),
    "a page": (lambda: b"<html>try later</html>", "not_parquet", "is not a Parquet file"),
    "cut off": (lambda: eval_file()[:900], "damaged_parquet", "is cut off or damaged"),
    "nothing": (lambda: b"", "not_parquet", "is not a Parquet file"),
    "no rows": (lambda: parquet(columns_of(tables.EVALS), 0), "empty", "has no rows"),
}  # fmt: skip


def test_a_file_that_the_models_cannot_read_is_refused_by_name(
    hub: HubDouble, zone: LandingZone, eval_repo: Repo
) -> None:
    """As the hub has it, so its checksum is right. The rest of the table lands."""
    names = {
        f"data/train-{n:05d}-of-{len(DEFECTS):05d}.parquet": defect
        for n, defect in enumerate(DEFECTS)
    }
    eval_repo.commit({name: DEFECTS[defect][0]() for name, defect in names.items()})
    arguments = ("--dataset", "eval-results", "--split", "train", "--revision", "main")
    answer = pretrain(hub, zone, *arguments)
    assert (answer.code, answer.counts()) == (1, (2, 0, 8))
    assert refused(zone) == {
        f"{EVAL.repo_id}/{name}": DEFECTS[defect][1]
        for name, defect in names.items() if DEFECTS[defect][1]
    }  # fmt: skip
    for name, defect in names.items():
        (line,) = [line for line in answer.err.splitlines() if name in line] or [""]
        assert DEFECTS[defect][2] in line
    check_zone(zone, leftovers=True)
    # They are the hub's own: fetching them again would not help, so they are kept.
    hub.requests.clear()
    assert pretrain(hub, zone, *arguments).counts() == (0, 2, 8)
    assert hub.asked("cdn GET") == []


def test_a_column_that_may_be_missing_may_not_be_of_another_type(tmp_path: Path) -> None:
    """DuckDB would make the column of all files one of text."""
    fits = tables.SCALING_LAW_FITS
    for number, (value, fault) in enumerate([("90.5", None), ("'high'", "wrong_type")]):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(parquet(columns_of(fits, decision_acc=value)))
        assert tables.recognise(path, path.name) is fits
        with pytest.raises(InputError) if fault else nullcontext() as caught:
            assert tables.inspect(path, fits, path.name, whole=False) == 40
        assert fault is None or caught.value.reason == fault


# -- size and disk --------------------------------------------------------------------------------


def test_more_than_allowed_is_refused_before_anything_is_downloaded(
    hub: HubDouble, zone: LandingZone
) -> None:
    hub.repo(PPL.repo_id).commit({PPL_FILE: large_file()}, sha=PPL.revision)
    answer = pretrain(hub, zone, "--max-gb", "0.005")
    assert (answer.code, answer.counts()) == (1, (4, 0, 1))
    assert refused(zone) == {PPL.repo_id: "too_large"}
    assert f"{len(large_file()) / 1e9:.3g} GB" in answer.err
    assert "--max-gb 0.1" in answer.err and "--split" in answer.err
    assert len(hub.asked("cdn GET")) == 4
    check_zone(zone)
    larger = pretrain(hub, zone, "--max-gb", "0.1")
    assert (larger.code, larger.counts()) == (0, (1, 4, 0))
    assert "1 file, 0.01 GB to download" in larger.err


def test_the_limit_is_of_the_whole_call(hub: HubDouble, zone: LandingZone) -> None:
    answer = pretrain(hub, zone, "--max-gb", str(len(ppl_file()) / 1e9))
    assert answer.counts() == (1, 0, 1)
    assert refused(zone) == {EVAL.repo_id: "too_large"}


def test_a_full_disk_is_refused_and_what_has_arrived_is_kept(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    """A limit of the process on its files stands for the disk: it fails in the same place."""
    sizes = sorted(map(len, (ppl_file(), eval_file(40), eval_file(41), macro_file(), fits_file())))
    answer = command(hub, zone, limit=sizes[-1] - 1)
    assert (answer.code, answer.counts()) == (1, (4, 0, 1))
    assert list(refused(zone).values()) == ["disk_full"]
    assert "make room" in answer.err
    check_zone(zone, leftovers=True)
    assert pretrain(hub, zone).counts() == (1, 4, 0)
    assert content(zone) == everything
    check_zone(zone)


def land_here(
    settings: dict[str, str],
    root: Path,
    *,
    call: str = "",
    number: int = 0,
    free: int | None = None,
    links: bool = True,
) -> None:
    """`pretrain` in this process, which dies before a certain call of a function of `os`, or has a
    disk that is full, or one without hard links."""
    os.environ.clear()
    os.environ.update(settings)
    from extract.huggingface import pretrain as module

    if call:
        function, made = getattr(os, call), Counter[str]()

        def dying(*arguments: Any, **options: Any) -> Any:
            made[call] += 1
            if made[call] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        setattr(os, call, dying)
    if not links:

        def refuse(*_: Any, **__: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        os.link = refuse  # type: ignore[assignment]
    if free is not None:
        shutil.disk_usage = lambda _: shutil._ntuple_diskusage(free, 0, free)  # type: ignore[assignment]
    summary = module.land(LandingZone(root), module.Request.of((), (), ()), max_gb=1)
    sys.exit(1 if summary.refused else 0)


def in_child(hub: HubDouble, zone: LandingZone, **options: Any) -> int | None:
    process = PROCESSES.Process(
        target=land_here, args=(variables(hub, zone), zone.root), kwargs=options
    )
    process.start()
    process.join(timeout=60)
    return process.exitcode


def test_a_disk_that_is_too_small_is_refused_before_the_download(
    hub: HubDouble, zone: LandingZone
) -> None:
    assert in_child(hub, zone, free=1000) == 1
    assert refused(zone) == {PPL.repo_id: "disk_full", EVAL.repo_id: "disk_full"}
    assert hub.asked("cdn GET") == []


def test_a_file_system_without_hard_links(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    assert in_child(hub, zone, links=False) == 0
    assert content(zone) == everything
    check_zone(zone)


# -- killed ---------------------------------------------------------------------------------------


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


# -- offline --------------------------------------------------------------------------------------


def test_offline_what_has_landed_is_enough(hub: HubDouble, zone: LandingZone) -> None:
    pretrain(hub, zone)
    hub.requests.clear()
    answer = pretrain(hub, zone, HF_HUB_OFFLINE="1")
    assert (answer.code, answer.counts()) == (0, (0, 5, 0))
    assert hub.requests == []


def test_offline_without_landed_files(hub: HubDouble, zone: LandingZone) -> None:
    pretrain(hub, zone, "--dataset", "ppl-results")
    hub.requests.clear()
    answer = pretrain(hub, zone, HF_HUB_OFFLINE="1")
    assert (answer.code, answer.counts()) == (1, (0, 1, 1))
    assert refused(zone) == {EVAL.repo_id: "offline"}
    assert "HF_HUB_OFFLINE" in answer.err and "--source DIR" in answer.err
    assert hub.requests == []
    branch = pretrain(hub, zone, "--revision", "ppl-results=main", HF_HUB_OFFLINE="1")
    assert branch.code == 1
    assert hub.requests == []


_FILL_CACHE = """
import sys
from huggingface_hub import snapshot_download
for repo_id, revision in zip(sys.argv[1::2], sys.argv[2::2]):
    snapshot_download(repo_id, repo_type="dataset", revision=revision)
"""


def fill_cache(hub: HubDouble, zone: LandingZone) -> Path:
    """Download with the client itself, into its own cache."""
    pairs = [text for data in DATASETS for text in (data.repo_id, data.revision)]
    subprocess.run(
        [sys.executable, "-c", _FILL_CACHE, *pairs],
        env=variables(hub, zone, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_PROGRESS_BARS="1"),
        check=True, timeout=60,
    )  # fmt: skip
    hub.requests.clear()
    return zone.root.parent / "home" / "hub"


def test_offline_lands_what_the_clients_own_cache_has(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    """A node without a network, and a cache that another machine has filled."""
    cache_folder = fill_cache(hub, zone)
    answer = pretrain(hub, zone, HF_HUB_OFFLINE="1")
    assert (answer.code, answer.counts()) == (0, (5, 0, 0)), answer.err
    assert content(zone) == everything
    assert hub.requests == []
    assert pretrain(hub, zone, HF_HUB_OFFLINE="1").counts() == (0, 5, 0)
    (name,) = cache_folder.glob(f"**/{EVAL.revision}/{MACRO_FILE}")
    name.unlink()
    other = LandingZone(zone.root.parent / "other")
    partial = pretrain(hub, other, HF_HUB_OFFLINE="1")
    assert partial.code == 1
    assert set(refused(other).values()) <= {"offline", "no_such_split"}
    check_zone(zone)
    check_zone(other)


def test_what_the_clients_own_cache_has_is_not_downloaded(
    hub: HubDouble, zone: LandingZone, everything: Counter[Any]
) -> None:
    fill_cache(hub, zone)
    answer = pretrain(hub, zone)
    assert (answer.code, answer.summary["downloaded_bytes"]) == (0, 0)
    assert hub.asked("cdn GET") == []
    assert content(zone) == everything


# -- files on disk --------------------------------------------------------------------------------


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def source(zone: LandingZone, folder: Path, *arguments: str, **more: str) -> Answer:
    """A call that may not reach any hub."""
    return pretrain("http://127.0.0.1:9", zone, "--source", folder, *arguments, **more)


def test_files_on_disk_are_recognised_by_their_columns(zone: LandingZone, tmp_path: Path) -> None:
    folder = put(
        tmp_path / "any [layout]*",
        {
            "perplexity": ppl_file(),  # no name helps
            "lr=5e-06/it's.parquet": eval_file(40),
            "a/train.parquet": macro_file(),  # a name that is wrong
            "b/table.PARQUET": fits_file(),
            "notes.txt": b"PAR",
            "data/train-00000-of-00001.parquet": eval_file(41),
            "copy/of/it.parquet": eval_file(41),
        },
    )
    answer = source(zone, folder)
    assert (answer.code, answer.counts()) == (0, (5, 0, 0)), answer.err
    check_zone(zone)
    found = {(e.kind, e.project, (e.provenance or {})["path"], e.rows) for e in entries(zone)}
    assert found == {
        ("ppl", None, "perplexity", 40),
        ("evals", None, "it's.parquet", 40),
        ("evals", None, "it.parquet", 41),  # once
        ("macro_avg", None, "train.parquet", 11),
        ("scaling_law_fits", None, "table.PARQUET", 20),
    }
    assert {(e.provenance or {})["revision"] for e in entries(zone)} == {None}
    assert all(entry.path.endswith(".parquet") for entry in entries(zone))
    before = files_of(zone)
    assert source(zone, folder).counts() == (0, 6, 0)
    assert files_of(zone) == before
    # They are copies: the user may do with the files what they want.
    (folder / "perplexity").write_bytes(b"")
    check_zone(zone)


def test_the_sample_files(zone: LandingZone, shared_data: Path) -> None:
    answer = source(zone, shared_data / "huggingface")
    assert (answer.code, answer.counts("files", "rows", "refused")) == (0, (2, 1605, 0))
    assert {(e.kind, e.rows) for e in entries(zone)} == {("ppl", 21), ("evals", 1584)}
    check_zone(zone)


def test_files_on_disk_of_one_split(zone: LandingZone, tmp_path: Path) -> None:
    folder = put(tmp_path / "x", {"e.parquet": eval_file(), "m.parquet": macro_file()})
    answer = source(zone, folder, "--split", "macro_avg")
    assert (answer.code, answer.counts()) == (0, (1, 0, 0))
    missing = source(zone, folder, "--dataset", "ppl-results")
    assert (missing.code, missing.counts("files", "refused")) == (1, (0, 1))
    assert "no_such_split" in refused(zone).values()


def test_files_on_disk_that_cannot_land(zone: LandingZone, tmp_path: Path) -> None:
    damaged = eval_file(3000)
    damaged = damaged[:4000] + bytes(byte ^ 255 for byte in damaged[4000:4100]) + damaged[4100:]
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    folder = put(
        tmp_path / "alice",
        {
            "fine.parquet": ppl_file(),
            "pointer.parquet": pointer,
            "other.parquet": parquet({"a": "i"}),
            "cut.parquet": ppl_file()[:-100],
            "damaged.parquet": damaged,
            "columns.parquet": parquet(columns_of(tables.PPL, seed=None)),
            "evals/train-00001-of-00003.parquet": eval_file(),
        },
    )
    answer = source(zone, folder)
    assert (answer.code, answer.counts()) == (1, (2, 0, 6))
    assert refused(zone) == {
        "pointer.parquet": "not_parquet",
        "other.parquet": "unknown_table",
        "cut.parquet": "damaged_parquet",
        # The footer is whole: only reading every value finds it.
        "damaged.parquet": "damaged_parquet",
        "columns.parquet": "missing_column",
        "train": "missing_shards",
    }
    assert "git lfs pull" in answer.err
    assert f"{folder}/damaged.parquet: is cut off or damaged" in answer.err
    # The folder is for the terminal; in the zone it could be a person's name.
    assert all("alice" not in json.dumps(record) for record in landed(zone, "outcomes"))
    assert all("alice" not in json.dumps(m.arguments) for m in zone.manifests())
    check_zone(zone)


@pytest.mark.parametrize("name", ["absent", "empty", "file.txt"])
def test_a_source_without_files(zone: LandingZone, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("text")
    answer = source(zone, tmp_path / name)
    assert (answer.code, answer.counts()) == (1, (0, 0, 1))
    assert refused(zone) == {"--source": "no_parquet"}
    assert f"refused: {tmp_path / name}: " in answer.err


def test_files_on_disk_of_a_stated_commit(
    hub: HubDouble, zone: LandingZone, tmp_path: Path, everything: Counter[Any]
) -> None:
    """Landed from disk as a commit, it need not be fetched from the hub as that commit."""
    files = eval_files()
    names = (*TRAIN_FILES, MACRO_FILE)
    folder = put(tmp_path / "x", {Path(name).name: files[name] for name in names})
    stated = source(zone, folder, "--revision", f"eval-results={EVAL.revision}")
    assert (stated.code, stated.counts()) == (0, (3, 0, 0))
    assert {entry.project for entry in entries(zone)} == {EVAL.revision}
    answer = pretrain(hub, zone)
    assert (answer.code, answer.counts()) == (0, (2, 3, 0))
    assert len(hub.asked("cdn GET")) == 2
    assert {entry.sha256 for entry in entries(zone)} == {sha for *_, sha in everything}
    # Now that the hub's listing is known, another file cannot be passed off as this one.
    put(folder, {Path(MACRO_FILE).name: macro_file(9)})
    other = source(zone, folder, "--revision", f"eval-results={EVAL.revision}")
    assert other.code == 1
    assert "checksum_mismatch" in refused(zone).values()
    check_zone(zone)


def test_files_on_disk_tell_their_commit_where_the_client_wrote_it(
    hub: HubDouble, zone: LandingZone, tmp_path: Path, everything: Counter[Any]
) -> None:
    """In the client's cache by the folders, in a folder of `hf download --local-dir` by notes."""
    caches = fill_cache(hub, zone)
    assert source(zone, caches).counts() == (5, 0, 0)
    assert content(zone) == everything
    other = LandingZone(tmp_path / "other")
    folder = put(tmp_path / "local", {PPL_FILE: ppl_file(), MACRO_FILE: macro_file(3)})
    for path, data in ((PPL_FILE, ppl_file()), (MACRO_FILE, macro_file())):
        note = f"{PPL.revision}\n{Blob(data).sha256}\n{time.time()}\n".encode()
        put(folder, {f".cache/huggingface/download/{path}.metadata": note})
    assert source(other, folder).counts() == (1, 0, 1)
    ((_, _, revision, path, _),) = content(other)
    assert (revision, path) == (PPL.revision, PPL_FILE)
    assert refused(other) == {"macro_avg-00000-of-00001.parquet": "checksum_mismatch"}


def test_what_landed_from_disk_is_not_downloaded(
    hub: HubDouble, zone: LandingZone, tmp_path: Path
) -> None:
    source(zone, put(tmp_path / "x", {"p.parquet": ppl_file(), "m.parquet": macro_file()}))
    answer = pretrain(hub, zone)
    assert (answer.code, answer.counts()) == (0, (5, 0, 0))
    assert len(hub.asked("cdn GET")) == 3
    check_zone(zone)


def test_the_zone_is_no_source_of_itself(hub: HubDouble, zone: LandingZone) -> None:
    pretrain(hub, zone)
    answer = source(zone, zone.root.parent)
    assert refused(zone) == {"--source": "no_parquet"}
    assert answer.code == 1


# -- secrets --------------------------------------------------------------------------------------


def written(zone: LandingZone) -> bytes:
    """Everything below the parent of the zone: landed files, downloads, the client's folders."""
    return (
        b"\n".join(
            str(path).encode() + (path.read_bytes() if path.is_file() else b"")
            for path in zone.root.parent.rglob("*")
        )
        + json.dumps([landed(zone, "outcomes"), [str(m) for m in zone.manifests()]]).encode()
    )


@pytest.mark.parametrize("outcome", ["lands", "is refused", "fails"])
def test_the_token_is_sent_and_kept_nowhere(
    hub: HubDouble, zone: LandingZone, ppl_repo: Repo, outcome: str
) -> None:
    ppl_repo.private = True
    if outcome == "is refused":
        hub.tokens = frozenset()  # and the hub repeats the token in its answer
    if outcome == "fails":
        hub.fail("/tree/", status=429, headers=_BUSY)
        hub.fail("cdn GET", cut=10)
        hub.fail("cdn GET", status=403, times=None)
    answer = command(hub, zone, HF_TOKEN=TOKEN, HF_HUB_VERBOSITY="debug", HF_DEBUG="1")
    assert answer.code == (0 if outcome == "lands" else 1)
    assert hub.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    secret = TOKEN.encode()
    assert secret not in answer.err.encode() and secret not in answer.out.encode()
    assert secret not in written(zone)
    # The address of a large file is as good as its content, for an hour.
    assert SIGNATURE not in answer.err
    assert SIGNATURE.encode() not in written(zone)


@pytest.mark.parametrize("token", [f"{TOKEN}\x01", f"{TOKEN}ü", f"{TOKEN} x"])
def test_a_token_that_is_no_header_is_not_repeated(
    hub: HubDouble, zone: LandingZone, token: str
) -> None:
    """The HTTP client's own message is `Illegal header value b'Bearer hf_...'`."""
    answer = pretrain(hub, zone, HF_TOKEN=token)
    assert (answer.code, answer.out) == (2, "")
    assert "HF_TOKEN" in answer.err
    assert TOKEN not in answer.err
    assert hub.requests == []


def test_the_password_of_an_endpoint_is_not_repeated(hub: HubDouble, zone: LandingZone) -> None:
    endpoint = hub.url.replace("//", "//someone:s3cret@")
    hub.fail("/tree/", status=500, headers=_BUSY)
    hub.repos.pop(PPL.repo_id)
    answer = pretrain(endpoint, zone, "--dataset", "ppl-results")
    assert answer.code == 1
    assert "s3cret" not in answer.err
    assert b"s3cret" not in written(zone)


# -- status ---------------------------------------------------------------------------------------


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


# -- the faults, last, because they have to wait --------------------------------------------------


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_only_time(cases: dict[str, Case], fault: str) -> None:
    case = cases[f"passing: {fault}"]
    answer = case.answer.result(timeout=100)
    assert (answer.code, answer.counts()) == (0, (1, 0, 0)), answer.err
    check_zone(case.zone)
    ranges = [request.headers.get("range") for request in case.hub.asked("cdn GET")]
    if fault in ("connection cut", "connection stalled"):
        # The client takes 10 MiB at a time; what it had of the next ones is asked for again.
        assert ranges == [None, f"bytes={10 * 2**20}-"]
    elif fault in ("connection reset", "500 of the content", "429 of the content"):
        assert ranges == [None, None]
    else:
        assert ranges == [None]


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_stays_is_a_refusal_and_a_later_call_lands(
    cases: dict[str, Case], fault: str
) -> None:
    reason, _ = LASTING[fault]
    case = cases[f"lasting: {fault}"]
    answer = case.answer.result(timeout=100)
    assert (answer.code, answer.counts()) == (1, (0, 0, 1)), answer.err
    assert list(refused(case.zone).values()) == [reason]
    assert "call again" in answer.err.splitlines()[-1]
    check_zone(case.zone, leftovers=True)
    case.hub.faults.clear()
    case.hub.repo(PPL.repo_id).commit({PPL_FILE: ppl_file()}, sha=PPL.revision)
    assert pretrain(case.hub, case.zone, "--dataset", "ppl-results").code == 0
    check_zone(case.zone)


def test_nobody_answers(cases: dict[str, Case]) -> None:
    case = cases["nobody there"]
    answer = case.answer.result(timeout=100)
    assert (answer.code, answer.counts()) == (1, (0, 0, 1))
    assert refused(case.zone) == {PPL.repo_id: "hub_unreachable"}
    assert "ConnectError" in answer.err and "--source DIR" in answer.err
