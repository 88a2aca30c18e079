"""`wandb` when W&B answers wrongly, late or not at all: the rest lands, and all of it is told."""

from __future__ import annotations

import random
import signal
import socket
import time
from collections.abc import Callable

from tests.python.wandb.double import API_KEY, FakeRun, Fault, Request
from tests.python.wandb.live_testing import (
    DOWN,
    PATH,
    PERSONAL_METADATA,
    Live,
    a_run,
    assert_nowhere,
    faulty,
    live,
    new_live,
    rows,
)

__all__ = ["live", "new_live"]  # fixtures


# -- what passes ----------------------------------------------------------------------------------


REQUESTS = ("Viewer", "Runs", "RunParquetHistory", "HistoryPage", "exports", "RunFiles", "files")


def kind(request: Request) -> str:
    return request.operation or request.path.split("/")[1]


def once(fault: Callable[[str], Fault | None]) -> Callable[[Request], Fault | None]:
    """A fault as the first answer to every kind of request."""
    seen: set[str] = set()

    def faults(request: Request) -> Fault | None:
        if kind(request) not in REQUESTS or kind(request) in seen:
            return None
        seen.add(kind(request))
        return fault(kind(request))

    return faults


def test_what_passes_is_waited_out(new_live: Callable[[str], Live]) -> None:
    """On listings, histories, exports and files."""
    cases: dict[str, Callable[[str], Fault | None]] = {
        "429": lambda kind: Fault(429, retry_after=3 if kind == "Runs" else 0),
        "500": lambda _: Fault(500),
        "502": lambda _: Fault(502),
        "reset": lambda _: Fault(reset=True),
        # wandb-core does not ask again, so we do, but for the client's own login.
        "cut": lambda kind: None if kind == "Viewer" else Fault(cut=True),
    }
    lives, calls = {name: new_live(name) for name in cases}, {}
    for name, one in lives.items():
        one.project.add(a_run("live", 20), a_run("exported", 20, exported_rows=20))
        one.project.run("live").metadata = PERSONAL_METADATA
        one.double.faults = once(cases[name])
        calls[name] = one.start("--metadata")
    for name, one in lives.items():
        one.ended(calls[name])
        one.assert_same_history()
        assert "wandb_metadata" in one.runs()["live"]
        assert set(map(kind, one.double.requests)) >= set(REQUESTS), name
    first, second = [r.time for r in lives["429"].double.requests if kind(r) == "Runs"]
    assert 2.9 < second - first < 6


def test_every_tenth_request_fails(live: Live) -> None:
    live.project.add(*(a_run(f"r{n:02}", 30, exported_rows=n % 3 * 15) for n in range(60)))
    chance = random.Random(20251121)
    kinds = (Fault(429, retry_after=1), Fault(500), Fault(502), Fault(reset=True))
    failed = []

    def faults(request: Request) -> Fault | None:
        if chance.random() >= 0.1:
            return None
        failed.append(request)
        return chance.choice(kinds)

    live.double.faults = faults
    called = live()
    assert len(failed) > len(called.requests) / 20
    assert called.counts("runs", "histories", "history_rows", "refused") == (60, 60, 1800, 0)
    live.assert_same_history()
    assert set(live.snapshots().values()) == {1}


# -- runs that cannot be read ---------------------------------------------------------------------


def test_poisoned_runs_are_left_for_the_next_call(live: Live) -> None:
    poisons = {
        "down": (DOWN, "request_failed", "giving up after 7 attempt(s) while retrying: HTTP 503"),
        "404": (Fault(404), "not_found", "returned error 404"),
        "error": (Fault(errors=(f"bad key {API_KEY}",)), "request_failed", "key <WANDB_API_KEY>"),
        "html": (Fault(body="<html>maintenance</html>"), "request_failed", "invalid character"),
        "cut": (Fault(cut=True), "request_failed", "unexpected EOF"),
    }
    live.project.add(*map(a_run, ("a", *poisons, "z")))
    live.double.faults = lambda request: (
        poisons[request.run_id][0]
        if request.operation == "HistoryPage" and request.run_id in poisons
        else None
    )
    called = live(code=1)
    assert called.counts("refused", "runs", "history_rows") == (5, 7, 6)
    assert set(called.summary["quarantined"]) == {f"{PATH}/{name}" for name in poisons}
    live.assert_same_history("a", "z")
    outcomes = {one["run_id"]: one for one in live.outcomes("history", "refused")}
    lines = {line.split(":")[0].rpartition("/")[2]: line for line in called.refusals}
    assert outcomes.keys() == lines.keys() == poisons.keys()
    for name, (_, reason, told) in poisons.items():
        assert lines[name].startswith(f"{PATH}/{name}: reading the history of {name}: ")
        assert told in lines[name]
        assert (outcomes[name]["reason"], outcomes[name]["message"]) == (reason, lines[name])

    live.double.faults = None
    called = live()
    assert called.histories == set(poisons) and called.counts("runs", "refused") == (0, 0)
    live.assert_same_history()
    assert live().histories == set()


def test_exports_that_cannot_be_downloaded(live: Live) -> None:
    live.project.add(a_run("a"), a_run("bad", 20, exported_rows=20))
    live.double.faults = faulty(DOWN, where="GET", run_id="bad")
    assert live(code=1).summary["quarantined"] == [f"{PATH}/bad"]
    assert live(code=1).summary["quarantined"] == [f"{PATH}/bad"]
    live.double.faults = None
    live()
    live.assert_same_history()


def test_metadata_that_cannot_be_read_holds_nothing_else_back(live: Live) -> None:
    live.project.add(a_run("a", metadata=PERSONAL_METADATA), a_run("b", metadata=PERSONAL_METADATA))
    live.double.faults = faulty(DOWN, where="RunFiles", run_id="a")
    called = live("--metadata", code=1)
    assert called.counts("runs", "history_rows", "refused") == (2, 6, 1)
    assert [one["run_id"] for one in live.outcomes("metadata", "refused")] == ["a"]
    live.double.faults = None
    assert live().operations["RunFiles"] == 0  # not asked for
    called = live("--metadata")
    assert {r.run_id for r in called.requests if r.operation == "RunFiles"} == {"a"}
    assert called.histories == set()
    assert "wandb_metadata" in live.runs()["a"]
    assert live("--metadata").operations["RunFiles"] == 0


def test_requests_that_are_never_answered(new_live: Callable[[str], Live]) -> None:
    """The runs are left behind, the others land, also when more hang than there are workers, and
    the process ends. Without an answer to a listing there is nothing to land.
    """
    cases = {"HistoryPage": ["bad"], "RunParquetHistory": ["bad", "b2", "b3"], "GET": ["bad"]}
    lives, calls, began = {where: new_live(where) for where in cases}, {}, time.monotonic()
    for where, one in lives.items():
        exported_rows = 20 if where == "GET" else 0
        bad = [a_run(name, 20, exported_rows=exported_rows) for name in cases[where]]
        one.project.add(a_run("a"), *bad, *(a_run(f"c{n}") for n in range(5)))
        one.double.faults = lambda request, where=where: (
            Fault(delay=300)
            if where in (request.operation, request.method) and request.run_id[0] == "b"
            else None
        )
        calls[where] = one.start("--deadline", "2", "--workers", "2")
    unlisted = new_live("unlisted")
    unlisted.double.faults = faulty(Fault(delay=300), where="Runs")
    last = unlisted.start("--timeout", "1")
    for where, one in lives.items():
        called = one.ended(calls[where], code=1)
        bad = {f"{PATH}/{name}" for name in cases[where]}
        assert set(called.summary["quarantined"]) == bad
        assert all("nothing has come for 2 s" in line for line in called.refusals)
        assert {o["reason"] for o in one.outcomes("history", "refused")} == {"deadline"}
        assert called.summary["history_rows"] == 18
    assert unlisted.ended(last, code=1).counts("refused", "listed") == (1, 0)
    assert time.monotonic() - began < 25
    for one in lives.values():
        one.double.faults = None
    calls = {one: one.start() for one in lives.values()}
    for one, call in calls.items():
        one.ended(call)
        one.assert_same_history()


def test_many_failures_in_a_row_end_the_call(live: Live) -> None:
    """W&B is down: what came before has landed, and nothing waits for the rest."""
    live.project.add(*(a_run(f"r{n:02}") for n in range(60)))
    live.double.faults = lambda r: DOWN if (r.run_id or "") >= "r10" else None
    # One worker: of two, a success can come back after the other one's first failure.
    called = live("--max-failures", "4", "--workers", "1", code=1)
    assert "stopped: 4 runs in a row failed" in called.stderr
    assert called.counts("refused", "deleted") == (4, 0)
    assert len(called.histories) < 40
    live.assert_same_history(*(f"r{n:02}" for n in range(10)))
    live.double.faults = None
    live()
    live.assert_same_history()


# -- projects that cannot be listed ---------------------------------------------------------------


def test_a_listing_that_cannot_be_read(live: Live) -> None:
    live.project.add(a_run())
    live.double.faults = faulty(DOWN, where="Runs")
    called = live(code=1)
    assert called.counts("listed", "runs", "refused") == (0, 0, 1)
    assert called.refusals[0].startswith(f"{PATH}: listing {PATH}: POST ")
    assert live.outcomes("listing", "refused")[0]["reason"] == "request_failed"
    live.double.faults = None
    live()
    live.assert_same_history()


def test_projects_that_cannot_be_read_hold_no_other_back(live: Live) -> None:
    live.project.add(a_run())
    live.double.project("ml-moe", "dpo")
    live.double.project("ml-moe", "secret").forbidden = True
    told = {
        "ml-moe/FT_Scaling": f"no such project; did you mean {PATH}?",
        "ml-moe/ft-scalling": f"no such project; did you mean {PATH}?",
        "ml-moe/zzz": "no such project; ml-moe has: dpo, ft-scaling, secret",
        "nobody/zzz": "no such project; no project of nobody can be seen with these credentials",
        "ml-moe/secret": "listing ml-moe/secret: permission denied",
    }
    called = live(code=1, projects=[*told, PATH])
    assert called.refusals == [f"{asked}: {message}" for asked, message in told.items()]
    assert called.counts("refused", "runs", "deleted") == (5, 1, 0)
    live.assert_same_history()
    reasons = [one["reason"] for one in live.outcomes("listing", "refused")]
    assert sorted(reasons) == ["forbidden", *["not_found"] * 4]


# -- credentials and servers ----------------------------------------------------------------------


def test_without_a_way_in_one_line_says_so(live: Live) -> None:
    live.project.add(a_run())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nowhere = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cases = [
            (
                {"WANDB_API_KEY": ""},
                2,
                f"no W&B credentials for {live.double.url}: run `wandb login",
            ),
            ({"WANDB_API_KEY": "f" * 40}, 1, "W&B refused the credentials"),
            ({"WANDB_API_KEY": "f" * 12}, 1, "API key must have 40+ characters"),
            ({"WANDB_BASE_URL": "nonsense"}, 1, "the W&B client cannot start (ValidationError): "),
            ({"WANDB_BASE_URL": nowhere}, 1, f"{nowhere} does not answer"),
        ]
        calls = [live.start("--timeout", "2", **variables) for variables, _, _ in cases]
        for call, (variables, expected, told) in zip(calls, cases, strict=True):
            stdout, stderr = call.communicate(timeout=60)
            assert (call.returncode, stdout) == (expected, ""), variables
            *before, line = stderr.splitlines()
            host = variables.get("WANDB_BASE_URL", live.double.url)
            assert before == ([] if host == "nonsense" else [f"W&B at {host}"])
            assert line.startswith("error: ") and told in line
            assert "WANDB_API_KEY" in line and "f" * 12 not in line
    assert not list(live.zone.manifests())
    assert not list(live.zone.root.glob("_tmp/*"))


# -- interrupted ----------------------------------------------------------------------------------


def test_an_interrupted_call_lands_what_has_come(live: Live) -> None:
    live.project.add(*(a_run(f"r{n}", 30) for n in range(6)))
    live.double.faults = faulty(Fault(delay=300), where="HistoryPage", run_id="r5")
    process = live.start()
    while sum(r.operation == "HistoryPage" for r in list(live.double.requests)) < 6:
        time.sleep(0.05)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - began < 12
    assert "Traceback" not in stderr
    live.check(stderr)
    assert len(live.runs()) == 5
    live.double.faults = None
    called = live()
    assert called.histories == {"r5"}
    live.assert_same_history()


def test_the_api_key_is_written_nowhere(live: Live) -> None:
    """Not while it runs either, and not with the client's own debugging asked for."""
    run = FakeRun("r", config={"k": "v"}, history=rows(10), metadata=PERSONAL_METADATA)
    live.project.add(run)
    live.double.faults = faulty(Fault(delay=1.5), where="HistoryPage")
    process = live.start("--metadata", WANDB_DEBUG="true", WANDB_CORE_DEBUG="true")
    searches = 0
    while process.poll() is None:
        assert_nowhere(API_KEY, live.folder)
        searches += 1
        time.sleep(0.2)
    live.ended(process)
    assert searches > 5
