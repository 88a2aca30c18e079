"""The W&B server double against the real client, which runs unpatched in a process of its own.

The second half holds what the client of wandb 0.31 was seen to do: where it loses or repeats rows
without an error, the extractor has to take another way. A newer client that fails here is good
news, or a reason to look again.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.python.wandb import judge
from tests.python.wandb.double import (
    FakeProject,
    FakeRun,
    Fault,
    Request,
    Rows,
    WandbDouble,
    cursor_after,
)

# Retries that wait one second, the least it takes, and wandb-core gives up at the third try.
QUICK = "wandb.setup(settings=wandb.Settings({}))\n".format(
    ", ".join(
        f"x_{what}_retry_max=2, x_{what}_retry_wait_min_seconds=1, {last}=1"
        for what in ("graphql", "file_transfer")
        for last in [f"x_{what}_retry_wait_max_seconds"]
    )
)
# The client can hang when Python ends, after all has been read and printed: seen in a run of all
# tests, on a busy machine. So these programs end without it.
HEAD = """
import json, os, sys, wandb
def raised(*problem):
    sys.__excepthook__(*problem)
    os._exit(1)
sys.excepthook = raised
{setup}
api = wandb.Api()
run = lambda run_id: api.run(f'ml-moe/p/{{run_id}}')
scan = lambda i, **kw: list(run(i).scan_history(**{{'use_cache': False}} | kw))
"""
END = """
print(json.dumps(answer), flush=True)
os._exit(0)
"""


class Client:
    """Runs code with `api` and a `run(id)`, and returns what it puts into `answer`."""

    def __init__(self, double: WandbDouble, folder: Path) -> None:
        self.double, self.folder = double, folder

    def __call__(self, code: str, setup: str = "", **environment: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", HEAD.format(setup=setup) + code + END],
            env=self.double.environment(self.folder) | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def error(self, code: str, setup: str = "", **environment: str) -> str:
        """The last line of the traceback with which the code ends."""
        with pytest.raises(AssertionError) as caught:
            self(f"{code}\nanswer = None", setup, **environment)
        lines = str(caught.value).split("\nassert")[0].splitlines()
        return next(line for line in reversed(lines) if "Error" in line)


@pytest.fixture
def double() -> Iterator[WandbDouble]:
    with WandbDouble() as server:
        yield server


@pytest.fixture
def project(double: WandbDouble) -> FakeProject:
    return double.project("ml-moe", "p")


@pytest.fixture
def client(double: WandbDouble, tmp_path: Path) -> Client:
    return Client(double, tmp_path)


def rows(count: int, per_step: int = 1) -> list[dict[str, Any]]:
    return [
        {"_step": n // per_step, "_timestamp": 1.7e9 + n + 0.5, "_runtime": n * 0.5, "n": n}
        for n in range(count)
    ]


def numbers(of: list[dict[str, Any]]) -> list[int]:
    return [row["n"] for row in of]


def fail(times: int, fault: Fault, operation: str) -> Any:
    """A fault for the first requests of an operation, or of GETs."""
    left = iter(range(times))

    def faults(request: Request) -> Fault | None:
        hit = operation in (request.operation, request.method)
        return fault if hit and next(left, None) is not None else None

    return faults


# -- listings -------------------------------------------------------------------------------------


def test_a_listing_comes_in_pages_and_holds_what_was_put_in(
    double: WandbDouble, project: FakeProject, client: Client
) -> None:
    for number in range(5):
        project.add(FakeRun(f"r{number}", created_at=f"2025-08-2{number}T10:00:00Z"))
    project.runs[0].config = {"lr": 1e-4, "nested": {"a": [1, None]}}
    project.runs[0].summary = {"loss": math.nan, "best": -math.inf, "big": 2**70}
    project.runs[0].tags = ["one", "two"]
    project.runs[0].history = rows(3)
    answer = client(
        "runs = api.runs('ml-moe/p', per_page=2, lazy=False)\n"
        "first = runs[0]\n"
        "answer = [[r.id for r in runs], len(runs), first.config, first.summary._json_dict,"
        " first.tags, first.user.username, first.lastHistoryStep]"
    )
    assert answer[:3] == [["r0", "r1", "r2", "r3", "r4"], 5, project.runs[0].config]
    assert math.isnan(answer[3]["loss"]) and answer[3]["best"] == -math.inf
    assert answer[3]["big"] == 2**70
    assert answer[4:] == [["one", "two"], "ada", 2]
    assert double.operations() == [
        *("Viewer", "GetDefaultEntity", "Runs", "Runs", "Runs", "RunHistoryKeys"),
    ]


def test_a_light_listing_costs_one_request_for_each_run_that_is_looked_into(
    double: WandbDouble, project: FakeProject, client: Client
) -> None:
    project.add(FakeRun("a", config={"x": 1}), FakeRun("b", config={"x": 2}))
    assert client("answer = [r.config for r in api.runs('ml-moe/p')]") == [{"x": 1}, {"x": 2}]
    assert double.operations()[2:] == ["Runs", "Run", "Run"]


def test_filters_and_order(project: FakeProject, client: Client) -> None:
    project.add(
        FakeRun("a", "first", created_at="2025-08-20T00:00:00Z", tags=["x", "y"], group="g"),
        FakeRun("b", created_at="2025-08-21T00:00:00.5Z", state="running", config={"lr": 1}),
        FakeRun("c", created_at="2025-08-22T00:00:00Z", config={"o": {"lr": 2}}, job_type="t"),
        FakeRun("d", created_at="2025-08-19T00:00:00Z", summary={"loss": 0.5, "eval/x": 2}),
    )
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, "+created_at", "dabc"),
        ({}, "-created_at", "cbad"),
        ({}, "+summary_metrics.loss", "dabc"),
        ({"createdAt": {"$gte": "2025-08-21"}}, "+created_at", "bc"),
        ({"createdAt": {"$gt": "2025-08-19T00:00:00Z", "$lt": "2025-08-22"}}, "", "ab"),
        ({"name": {"$in": ["c", "a", "zz"]}}, "", "ac"),
        ({"name": {"$nin": ["c", "a"]}}, "", "db"),
        ({"displayName": {"$regex": "^fi.st"}}, "", "a"),
        ({"state": "running"}, "", "b"),
        ({"state": {"$ne": "running"}}, "", "dac"),
        ({"tags": {"$in": ["y"]}}, "", "a"),
        ({"tags": "x"}, "", "a"),
        ({"group": "g"}, "", "a"),
        ({"jobType": "t"}, "", "c"),
        ({"config.lr.value": 1}, "", "b"),
        ({"config.lr": {"$exists": True}}, "", "b"),
        ({"config.o.lr": {"$lte": 2}}, "", "c"),
        ({"summary_metrics.eval/x": {"$gt": 1}}, "", "d"),
        ({"$or": [{"name": "a"}, {"$and": [{"name": "b"}, {"state": "running"}]}]}, "", "ab"),
        ({"$nor": [{"name": "a"}, {"name": "b"}]}, "", "dc"),
    ]
    sent = [[filters, order] for filters, order, _ in cases]
    answer = client(
        f"answer = [''.join(r.id for r in api.runs('ml-moe/p', filters=f, order=o))"
        f" for f, o in json.loads({json.dumps(sent)!r})]"
    )
    assert answer == [ids for *_, ids in cases]


def test_a_listing_can_change_and_repeat_runs_between_two_pages(
    double: WandbDouble, project: FakeProject, client: Client
) -> None:
    project.add(*(FakeRun(f"r{number}") for number in range(6)))
    listing = "answer = [r.id for r in api.runs('ml-moe/p', per_page=3)]"
    double.page_duplicates = 1
    assert client(listing) == ["r0", "r1", "r2", "r2", "r3", "r4", "r4", "r5"]
    double.page_duplicates = 0
    double.before = lambda request: (
        project.remove("r0") if request.variables.get("cursor") == cursor_after(3) else None
    )
    assert client(listing) == ["r0", "r1", "r2", "r4", "r5"]
    project.run_count = 9
    assert client("answer = len(api.runs('ml-moe/p'))") == 9


def test_what_does_not_exist(double: WandbDouble, project: FakeProject, client: Client) -> None:
    double.project("ml-moe", "other")
    assert "Could not find project nope" in client.error("list(api.runs('ml-moe/nope'))")
    assert "Could not find run" in client.error("run('nope')")
    names = "answer = [[p.name for p in api.projects(e)] for e in ('ml-moe', 'nobody')]"
    assert client(names) == [["p", "other"], []]
    assert client("answer = api.project('p', 'ml-moe').id") == "UHJvamVjdDp2MTpw"


def test_who_may_not(double: WandbDouble, project: FakeProject, client: Client) -> None:
    error = client.error("", WANDB_API_KEY="f" * 40)
    assert "AuthenticationError: Failed to verify" in error and "not logged in" in error
    assert double.requests[-1].status == 401
    project.forbidden = True
    assert "permission denied" in client.error("list(api.runs('ml-moe/p'))")
    assert double.requests[-1].status == 403


# -- histories and files --------------------------------------------------------------------------


@pytest.mark.parametrize(("exported", "size"), [(0, None), (50, None), (50, 20)])
def test_all_rows_come_in_their_order(
    double: WandbDouble, project: FakeProject, client: Client, exported: int, size: int | None
) -> None:
    held = rows(50, 5) if exported else rows(50)
    project.add(FakeRun("r", history=held, exported_rows=exported, parquet_file_rows=size))
    answer = client("answer = [scan('r', page_size=size) for size in (1000, 3)]")
    assert answer == [held] * 2
    wanted = ["HistoryPage"] if not exported else ["GET"] * (3 if size else 1)
    got = [request.operation or request.method for request in double.requests[3:]]
    assert got[: 2 + len(wanted)] == ["RunHistoryKeys", "RunParquetHistory", *wanted]
    assert {r.run_id for r in double.requests[2:]} == {"r"}


def test_values_of_live_and_of_exported_rows(project: FakeProject, client: Client) -> None:
    row = {"_step": 0, "nan": math.nan, "inf": math.inf, "text": "NaN", "flag": True, "a/b": 0.1}
    row |= {"exact": 2**63 - 1, "huge": 168631869269606400000, "integral": 3.0, "list": [1, 2.5]}
    row |= {"nested": {"a": {"b": 2.0}}, "none": None}
    project.add(FakeRun("live", history=[row, {"_step": 1}]))
    project.add(FakeRun("done", history=[row, {"_step": 1}], exported_rows=2))
    live, done = client("answer = [scan('live'), scan('done')]")
    assert math.isnan(live[0].pop("nan")) and math.isnan(done[0].pop("nan"))
    assert live[0] == done[0]
    assert live[0]["exact"] == 2**63 - 1 and live[0]["inf"] == math.inf
    assert isinstance(live[0]["huge"], float) and isinstance(live[0]["integral"], int)
    assert live[0]["nested"] == {"a": {"b": 2}} and "none" not in live[0]
    assert live[1] == {"_step": 1}
    assert done[1] == dict.fromkeys(done[0].keys() | {"nan"}) | {"_step": 1}


def test_rows_appended_and_attributes_set_are_served(project: FakeProject, client: Client) -> None:
    project.add(FakeRun("r", history=rows(2)))
    assert len(client("answer = scan('r')")) == 2
    project.runs[0].history.append({"_step": 2, "n": 2})  # type: ignore[union-attr]
    project.runs[0].state = "crashed"
    assert client("answer = [run('r').state, len(scan('r'))]") == ["crashed", 3]


def test_files_of_a_run(double: WandbDouble, project: FakeProject, client: Client) -> None:
    project.add(FakeRun("r", metadata={"host": "n1"}, files={"media/a b.txt": b"text"}))
    answer = client(
        "r = run('r')\n"
        "names = ['media/a b.txt', 'nope']\n"
        "answer = [r.metadata, sorted(f.name for f in r.files()), [f.name for f in r.files(names)],"
        " r.file('media/a b.txt').download(root='x').read()]"
    )
    everything = ["media/a b.txt", "wandb-metadata.json"]
    assert answer == [{"host": "n1"}, everything, ["media/a b.txt"], "text"]
    assert double.requests[-1].run_id == "r"


def test_exports_answer_to_head_and_range(double: WandbDouble, project: FakeProject) -> None:
    project.add(FakeRun("a=b", history=rows(9), exported_rows=9))
    (url,) = double.exports(project.runs[0])
    whole = urllib.request.urlopen(url).read()
    head = urllib.request.urlopen(urllib.request.Request(url, method="HEAD"))
    assert (whole[:4], head.headers["Content-Length"]) == (b"PAR1", str(len(whole)))
    for wanted, part in (("4-9", whole[4:10]), ("-8", whole[-8:]), ("9-", whole[9:])):
        request = urllib.request.Request(url, headers={"Range": f"bytes={wanted}"})
        answer = urllib.request.urlopen(request)
        assert (answer.status, answer.read()) == (206, part)
    assert double.requests[-1].run_id == "a=b"


def test_as_a_program_it_serves_until_stdin_closes(double: WandbDouble, client: Client) -> None:
    script = str(Path(__file__).with_name("double.py"))
    options = ["--runs", "3", "--rows", "4", "--exported-fraction", "0.5", "--config-keys", "7"]
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, script, *options], stdin=pipe, stdout=pipe) as server:
        assert server.stdin and server.stdout
        url = server.stdout.readline().decode().strip()
        code = "answer = [[len(r.config), len(list(r.scan_history(page_size=2)))]"
        code += " for r in api.runs('ml-moe/bench')]"
        assert client(code, WANDB_BASE_URL=url) == [[7, 4]] * 3
        server.stdin.close()
        assert server.wait(10) == 0


# -- what the client makes of faults --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (Fault(429, retry_after=1), "HistoryPage"),
        (Fault(502), "GET"),
        (Fault(reset=True), "RunHistoryKeys"),
    ],
    ids=["429", "502", "reset"],
)
def test_passing_faults_are_retried(
    double: WandbDouble, project: FakeProject, client: Client, fault: Fault, where: str
) -> None:
    project.add(FakeRun("r", history=rows(9), exported_rows=9 if where == "GET" else 0))
    double.faults = fail(1, fault, where)
    assert len(client("answer = scan('r')", QUICK)) == 9
    hits = [r for r in double.requests if where in (r.operation, r.method)]
    assert [request.status for request in hits] == [fault.status, 200]
    assert 0.9 < hits[1].time - hits[0].time < 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(500), "giving up after 3 attempt(s)"),
        (Fault(404), "returned error 404"),
        (Fault(cut=True), "unexpected EOF"),
        (Fault(errors=("over quota",)), "over quota"),
    ],
    ids=["500", "404", "cut", "errors"],
)
def test_lasting_faults_are_errors(
    double: WandbDouble, project: FakeProject, client: Client, fault: Fault, message: str
) -> None:
    project.add(FakeRun("r", history=rows(9)))
    double.faults = fail(9, fault, "HistoryPage")
    # The error of wandb-core has more than one line.
    code = f"try: scan('r')\nexcept Exception as e: answer = {message!r} in str(e) or str(e)"
    assert client(code, QUICK) is True
    tries = double.operations().count("HistoryPage")
    assert tries == (3 if fault.status == 500 else 1)


def test_an_answer_may_be_late(double: WandbDouble, project: FakeProject, client: Client) -> None:
    project.add(FakeRun("r", history=rows(9)))
    double.faults = fail(1, Fault(delay=1.5), "HistoryPage")
    assert len(client("answer = scan('r')")) == 9


# -- traps of the client --------------------------------------------------------------------------


def test_trap_a_page_that_begins_in_exports_and_ends_live_has_rows_twice(
    double: WandbDouble, project: FakeProject, client: Client
) -> None:
    project.add(FakeRun("r", history=rows(100), exported_rows=60))
    assert len(client("answer = scan('r')")) == 160
    assert len(client("answer = scan('r', page_size=12)")) == 100  # a page ends with the exports
    double.history_has_exported = False  # were the server to answer with live rows only
    assert sorted(numbers(client("answer = scan('r')"))) == list(range(100))


def test_trap_a_window_of_steps_with_more_rows_loses_some(
    project: FakeProject, client: Client
) -> None:
    """The client asks for as many rows as a window has steps, and W&B gives no more."""
    project.add(FakeRun("r", history=rows(50, 5)))
    assert len(client("answer = scan('r')")) == 10


def test_trap_the_cache_of_exports_is_never_renewed(project: FakeProject, client: Client) -> None:
    project.add(FakeRun("r", history=rows(10), exported_rows=4))
    client("answer = scan('r', use_cache=True)")
    project.runs[0].exported_rows = 10
    assert numbers(client("answer = scan('r', use_cache=True)")) == [0, 1, 2, 3]
    assert numbers(client("answer = scan('r')")) == list(range(10))


def test_trap_small_pages_lose_exported_rows_whose_steps_go_back(
    project: FakeProject, client: Client
) -> None:
    steps = [*range(100), *range(50, 150)]  # a resumed run
    history = [{"_step": step, "n": number} for number, step in enumerate(steps)]
    project.add(FakeRun("r", history=history, exported_rows=200))
    small, whole = client("answer = [scan('r', page_size=size) for size in (7, 10**9)]")
    assert len(small) < 200
    assert sorted(numbers(whole)) == list(range(200))


# -- what W&B refuses -----------------------------------------------------------------------------


def of_run(fields: str, variables: str) -> str:
    return f'query Q({variables}) {{ project(name: "p") {{ run(name: "r") {{ {fields} }} }} }}'


@pytest.mark.parametrize(
    ("query", "variables", "why"),
    [
        ("query Q { viewer { id name2 } }", {}, "name2"),
        ("query Q($n: Int!) { project(name: $n) { id } }", {"n": 1}, "String"),
        ("query Q { project(name: $p) { id } }", {}, "'$p' is not defined"),
        (of_run("history(samples: $s)", "$s: Int!"), {"s": 2**31}, "32-bit"),
        (of_run("history(minStep: $s)", "$s: Int64!"), {"s": 2**63}, "Int64"),
        (of_run("id", "$s: Int"), {}, "never used"),
        (of_run("history(samples: $s)", "$s: Int!"), {}, "required"),
        ("query Q { viewer {", {}, "Syntax Error"),
    ],
)
def test_what_is_no_valid_request_is_refused(
    query: str, variables: dict[str, Any], why: str
) -> None:
    assert any(why in message for message in judge.refusals(query, variables))


def test_what_fits_the_schema_is_answered() -> None:
    query = 'query Q($s: Int, $n: Int64) { project(name: "p") { run(name: "r") {'
    query += " history(samples: $s, minStep: $n) } } }"
    for variables in ({"s": 2**31 - 1, "n": 2**63 - 1}, {"s": None, "n": "12"}, {}):
        assert judge.refusals(query, variables) == ()


def test_a_window_with_more_rows_than_samples_is_thinned_out() -> None:
    held = Rows({"_step": n // 4, "n": n} for n in range(40))
    assert len(held.window(0, 10, 40).split('","')) == 40
    assert len(held.window(0, 10, 10).split('","')) == 10
