"""`pretrain`: a hub that fails, files that are not what they should be, and a disk that is full.

The calls that have to wait for something begin with the module, and are looked at last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from extract.errors import InputError
from extract.huggingface import pretrain_tables as tables
from extract.landing.zone import LandingZone
from tests.python.huggingface.double import Blob, HubDouble, Repo
from tests.python.huggingface.testing import (
    BUSY,
    EVAL,
    MACRO_FILE,
    PPL,
    PPL_FILE,
    TOKEN,
    Answer,
    columns_of,
    command,
    content,
    eval_file,
    eval_files,
    fits_file,
    in_child,
    large_file,
    macro_file,
    parquet,
    ppl_file,
    pretrain,
    refused,
)
from tests.python.testing import check_zone, landed

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


_LIMITED = {"ratelimit": '"api";r=0;t=0', "ratelimit-policy": '"fixed window";"api";q=500;w=300'}
PASSING: dict[str, Callable[[HubDouble], Any]] = {
    "429 with Retry-After": lambda hub: hub.fail("/tree/", status=429, headers=BUSY),
    "429 with ratelimit": lambda hub: hub.fail("HEAD .*resolve", status=429, headers=_LIMITED),
    "429 of the content": lambda hub: hub.fail("cdn GET", status=429, headers=BUSY),
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
        lambda hub: hub.fail("/tree/", status=500, headers=BUSY, times=None),
    ),
    "500 of the metadata": (
        "hub_unreachable",
        lambda hub: hub.fail("HEAD .*resolve", status=503, headers=BUSY, times=None),
    ),
    "500 of the content": (
        "hub_unreachable", lambda hub: hub.fail("cdn GET", status=500, times=None),
    ),
    "429 of the listing": (
        "hub_unreachable", lambda hub: hub.fail("/tree/", status=429, headers=BUSY, times=None),
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
