"""`wandb` called again: what has changed is fetched, nothing else is, and what is gone is told."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.python.testing import a_row, files_of, land, write_jsonl
from tests.python.testing import a_run as an_exported_run
from tests.python.wandb.double import FakeRun, Fault, Request, WandbDouble, cursor_after
from tests.python.wandb.live_testing import (
    API_KEY,
    DOWN,
    PATH,
    PERSONAL_METADATA,
    Called,
    Live,
    a_run,
    assert_nowhere,
    faulty,
    later,
    live,
    multiset,
    rows,
)

__all__ = ["live"]  # a fixture
FETCHED = ("runs", "histories", "history_rows")


def lowest_steps(called: Called) -> dict[str, int]:
    """By run, the lowest step that was asked for of what is not exported."""
    found: dict[str, int] = {}
    for request in called.requests:
        if request.operation == "HistoryPage":
            low = int(request.variables["minStep"])
            found[request.run_id or ""] = min(low, found.get(request.run_id or "", low))
    return found


# -- what a second call fetches -------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A run as it first landed, what happens to it, and what the next call fetches of it."""

    run: dict
    change: Callable[[FakeRun], object] = lambda _run: None
    snapshot: bool = True
    from_step: int | None = None  # of the history; None: nothing is asked for
    rows: int = 0
    replaced: bool = False


def edit(**fields: object) -> Callable[[FakeRun], None]:
    def change(run: FakeRun) -> None:
        for name, value in fields.items():
            setattr(run, name, value)

    return change


def rewind(n_rows: int) -> Callable[[FakeRun], None]:
    """From step 8 on it is computed once more, up to this many rows in all."""

    def change(run: FakeRun) -> None:
        again = [row | {"loss": 9.0, "_timestamp": 1.8e9 + row["n"]} for row in rows(n_rows - 8, 8)]
        run.history = rows(8) + again
        run.heartbeat_at = "2025-08-22T00:00:00Z"

    return change


def go_on(run: FakeRun) -> None:
    later(run, 7)


NOW = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
RUNNING = {"n_rows": 20, "state": "running"}
TWO_ROWS_A_STEP = {"history": rows(11, per_step=2), "state": "running"}
CASES = {
    "nothing happened": Case({"n_rows": 5}, snapshot=False),
    "nothing happened to an exported one": Case(
        {"n_rows": 5, "exported_rows": 5}, snapshot=False
    ),
    "it has no history": Case({"n_rows": 0}, snapshot=False),
    # Tags, notes and evaluations arrive weeks after the end, mostly without a new heartbeat.
    "tags": Case({}, edit(tags=["finetune"])),
    "notes": Case({}, edit(notes="looks fine")),
    "another name": Case({}, edit(display_name="renamed")),
    "config": Case({}, edit(config={"seed": 8, "evaluated": True})),
    "evaluations": Case({}, edit(summary={"oe_eval_metrics/boolq": {"acc_raw": 0.5}})),
    "evaluations of an exported one": Case({"exported_rows": 3}, edit(summary={"loss": 1})),
    "a new heartbeat and no row": Case({}, later, from_step=2),
    "it went on": Case(RUNNING, go_on, from_step=19, rows=7),
    "it went on, partly exported": Case(
        RUNNING | {"exported_rows": 12}, go_on, from_step=19, rows=7
    ),
    "it went on, exported so far": Case(
        RUNNING | {"exported_rows": 20}, go_on, from_step=19, rows=7
    ),
    "it went on and was exported": Case(
        RUNNING, lambda run: (go_on(run), edit(exported_rows=27)(run)), from_step=-1, rows=7
    ),
    "more rows of the last landed step": Case(
        TWO_ROWS_A_STEP,
        lambda run: edit(history=rows(14, per_step=2), heartbeat_at=NOW)(run),
        from_step=5,
        rows=3,
    ),
    "it runs, and nothing is new": Case(RUNNING, snapshot=False, from_step=19),
    "it ended, and nothing is new": Case({"state": "running"}, edit(state="finished")),
    "it was rewound and is shorter": Case(
        {"n_rows": 15}, rewind(8), from_step=0, rows=8, replaced=True
    ),
    "it was rewound": Case({"n_rows": 15}, rewind(15), from_step=0, rows=15, replaced=True),
    "it was rewound and went on": Case(
        {"n_rows": 15}, rewind(40), from_step=0, rows=40, replaced=True
    ),
    "it was deleted and made again": Case(
        {"n_rows": 15, "exported_rows": 15},
        edit(history=[row | {"loss": 0.5} for row in rows(15)], created_at=NOW, heartbeat_at=NOW),
        from_step=-1,
        rows=15,
        replaced=True,
    ),
    # Exports lag behind a run: for a day after its end the rest may still come.
    "it is shorter than W&B counts, the rest came": Case(
        {"n_rows": 10, "history_line_count": 14, "heartbeat_at": NOW,
         "history_keys": {"lastStep": 13, "keys": {}, "sets": []}},
        lambda run: run.history.extend(rows(4, first=10)),
        snapshot=False,
        from_step=0,
        rows=14,
        replaced=True,
    ),
    "it has been shorter for long": Case(
        {"n_rows": 10, "history_line_count": 14}, snapshot=False
    ),
}  # fmt: skip


@dataclass
class Story:
    """A project that was landed, changed, and landed again."""

    live: Live
    dry: Called
    second: Called
    third: Called
    full: Called
    untouched_by_dry: bool


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with WandbDouble() as double:
        live = Live(double, tmp_path_factory.mktemp("story"))
        live.project.add(*(a_run(run_id, **dict(case.run)) for run_id, case in CASES.items()))
        live.project.add(a_run("gone"), a_run("gone for a while"))
        live()
        for run_id, case in CASES.items():
            case.change(live.project.run(run_id))
        for run_id in ("gone", "gone for a while"):
            live.project.remove(run_id)
        before = files_of(live.zone)
        dry = live("--dry-run")
        untouched = files_of(live.zone) == before
        second = live()
        live.project.add(a_run("gone for a while"))
        yield Story(live, dry, second, live(), live("--full"), untouched)


@pytest.mark.parametrize("run_id", CASES)
def test_a_second_call_fetches_what_has_changed(story: Story, run_id: str) -> None:
    case, batch = CASES[run_id], story.live.batches()[1]
    assert [one["run_id"] == run_id for one in batch["runs"]].count(True) == case.snapshot
    assert (run_id in story.second.histories) == (case.from_step is not None)
    # An exported history has one request for all of it.
    assert lowest_steps(story.second).get(run_id, -1) == (
        -1 if case.from_step is None else case.from_step
    )
    outcomes = [o for o in batch["outcomes"] if (o["item"], o.get("run_id")) == ("history", run_id)]
    assert [one["rows"] for one in outcomes] in ([], [case.rows])
    assert any(one["progress"]["replaces_earlier"] for one in outcomes) == case.replaced
    assert sum(row["run_id"] == run_id for row in batch["history"]) == case.rows


@pytest.mark.parametrize("run_id", CASES)
def test_then_every_row_is_there_once(story: Story, run_id: str) -> None:
    story.live.assert_same_history(run_id)
    assert story.live.runs()[run_id]["tags"] == story.live.project.run(run_id).tags


def test_a_third_call_fetches_nothing(story: Story) -> None:
    unfinished = {run.run_id for run in story.live.project.runs if run.state == "running"}
    assert story.third.histories == unfinished
    assert story.third.counts("runs", "history_rows", "changed") == (1, 0, 0)  # the restored one
    outcomes = [one for one in story.live.batches()[2]["outcomes"] if one["item"] == "history"]
    assert outcomes == []  # nor does it say so


def test_a_dry_run_tells_what_a_call_would_fetch_and_lands_nothing(story: Story) -> None:
    assert story.untouched_by_dry
    assert story.dry.histories == set()
    assert story.dry.counts("dry_run", "runs", "deleted", "refused") == (True, 0, 2, 0)
    names = ("listed", "new", "changed", "unchanged", "histories", "deleted")
    assert story.dry.counts(*names) == story.second.counts(*names)
    told = story.dry.stderr
    assert f"would fetch {PATH}/it went on (snapshot: changed, history: tail)" in told
    assert f"would fetch {PATH}/it runs, and nothing is new (history: tail)" in told
    assert f"gone from W&B: {PATH}/gone for a while" in told


def test_full_reads_everything_again(story: Story) -> None:
    runs = story.live.project.runs
    assert story.full.summary["runs"] == len(runs)
    assert story.full.histories == {run.run_id for run in runs} - {"it has no history"}
    story.live.assert_same_history()


def test_a_deleted_run_gets_one_tombstone_and_may_come_back(story: Story) -> None:
    assert story.second.counts("deleted", "restored") == (2, 0)
    assert story.third.counts("deleted", "restored") == (0, 1)
    deleted = {one["run_id"]: one for one in story.live.outcomes("run", "deleted")}
    assert deleted.keys() == {"gone", "gone for a while"}
    assert len(story.live.outcomes("run", "deleted")) == 2  # one each, whatever came after
    assert [o["run_id"] for o in story.live.outcomes("run", "restored")] == ["gone for a while"]
    seen = deleted["gone"]["progress"]["last_seen_at"]
    first, second, *_ = story.live.zone.manifests()
    assert first.started_at < seen < second.started_at < deleted["gone"]["recorded_at"]


# -- parts of histories, and the rest later -------------------------------------------------------


def test_runs_only_and_the_histories_later(live: Live) -> None:
    live.project.add(a_run("a", 5), a_run("b", 5, state="running"), a_run("c", 0))
    called = live("--runs-only")
    assert called.counts(*FETCHED) == (3, 0, 0) and called.histories == set()
    assert live().counts(*FETCHED) == (0, 2, 10)
    live.assert_same_history()


def test_history_keys_and_all_keys_later(live: Live) -> None:
    """Rows that have one of the keys, with the clocks; then others too; then all."""
    history = [row | ({"rare": 1} if row["n"] % 4 == 0 else {}) for row in rows(20)]
    live.project.add(a_run("r", history=history), a_run("goes on", 20, state="running", rare=1))
    live("--history-key", "rare")
    assert multiset(live.history()["r"]) == multiset(
        [{k: v for k, v in row.items() if k[0] == "_" or k == "rare"} for row in history[::4]]
    )
    later(live.project.run("goes on"), 5, rare=1)
    called = live("--history-key", "rare")
    assert (called.summary["history_rows"], lowest_steps(called)) == (5, {"goes on": 19})
    live("--history-key", "loss")
    assert len(live.history()["r"]) == 20
    assert live.history()["r"][0].keys() == {"_step", "_timestamp", "_runtime", "rare", "loss"}
    live()
    live.assert_same_history()
    assert live("--history-key", "rare").histories == {"goes on"}  # it has landed with the rest


def test_windows_and_the_whole_later(live: Live) -> None:
    """A window takes nothing from a history that has landed as a whole."""
    run = a_run("whole", 20, state="running")
    live.project.add(run)
    live()
    live.project.add(a_run("r", 30))
    later(run, 10)
    called = live("--max-step", "10")
    assert lowest_steps(called) == {"whole": 19, "r": 0}
    assert multiset(live.history()["r"]) == multiset(rows(10))
    later(run, 10)
    assert lowest_steps(live("--max-step", "10")) == {"whole": 29}
    live.assert_same_history("whole")
    live("--min-step", "5", "--max-step", "20")
    assert lowest_steps(live()) == {"whole": 39, "r": 0}
    live.assert_same_history()


# -- what landed elsewhere ------------------------------------------------------------------------


def an_export(folder: Path, n_rows: int) -> Path:
    """An export of the run `r` on disk, as an older tool made it."""
    folder.mkdir()
    write_jsonl(folder / "runs.jsonl", [an_exported_run("r")])
    history = [
        a_row(row["_step"], "r", timestamp=row["_timestamp"], runtime=row["_runtime"],
              metrics={"loss": row["loss"]})
        for row in rows(n_rows)
    ]  # fmt: skip
    write_jsonl(folder / "history.jsonl", history)
    return folder


def test_a_run_that_landed_from_files_is_new_and_its_history_is_replaced(
    live: Live, tmp_path: Path
) -> None:
    """Only by all of it: a part of the metrics replaces nothing."""
    land(live.zone, an_export(tmp_path / "export", 6))
    live.project.add(a_run("r", 10))
    assert live("--history-key", "n").counts(*FETCHED, "new") == (1, 1, 10, 1)
    assert not live.outcomes("history", "landed")[-1]["progress"]["replaces_earlier"]
    assert live().counts(*FETCHED) == (0, 1, 10)
    assert live.outcomes("history", "landed")[-1]["progress"]["replaces_earlier"]
    live.assert_same_history()
    land(live.zone, an_export(tmp_path / "later", 8))
    assert live().counts(*FETCHED) == (0, 0, 0)  # W&B has not changed


# -- what is gone ---------------------------------------------------------------------------------


def test_a_part_of_a_project_tells_of_no_deletion(live: Live) -> None:
    live.project.add(a_run("a"), a_run("b"))
    live()
    live.project.remove("a")
    parts = ("--state finished", "--limit 1", "--since 2025-08-01", "--run-id b")
    calls = [live.start(*part.split()) for part in parts]
    assert [call.wait(60) for call in calls] == [0] * 4
    for call in calls:
        assert live.ended(call).summary["deleted"] == 0
    assert live.outcomes("run", "deleted") == []


def test_a_listing_that_fails_tells_of_no_deletion(live: Live) -> None:
    live.project.add(*(a_run(f"r{n:03}", 0) for n in range(70)))
    live()
    live.project.remove("r069")
    second_page = cursor_after(50)
    live.double.faults = lambda request: (
        DOWN if request.variables.get("cursor") == second_page else None
    )
    called = live(code=1)
    assert called.counts("deleted", "refused", "listed") == (0, 1, 50)
    live.double.faults = None
    assert live().summary["deleted"] == 1


def test_most_runs_gone_at_once_is_not_believed(live: Live) -> None:
    live.project.add(*(a_run(f"r{n:02}", 0) for n in range(30)))
    live()
    for n in range(20):
        live.project.remove(f"r{n:02}")
    called = live(code=1)
    assert called.summary["deleted"] == 0
    assert "lacks 20 of the 30 known ones" in called.refusals[0]
    assert live("--accept-deletions").summary["deleted"] == 20


def test_a_run_deleted_between_its_listing_and_its_history(live: Live) -> None:
    live.project.add(a_run("a"), a_run("b"))

    def before(request: Request) -> None:
        if request.operation == "RunParquetHistory" and request.run_id == "a":
            live.project.remove("a")

    live.double.before = before
    called = live()
    assert called.counts("deleted", "refused", "quarantined") == (1, 0, [])
    assert [one["run_id"] for one in live.outcomes("run", "deleted")] == ["a"]
    live.assert_same_history()
    assert live().counts("deleted", "restored") == (0, 0)


def test_since_lists_new_runs_and_asks_for_the_known_ones_by_id(live: Live) -> None:
    live.project.add(*(a_run(f"old{n:03}", 0) for n in range(130)))
    live()
    live.project.add(a_run("missed", created_at="2025-08-22T00:00:00Z"))
    live.project.add(a_run("new", created_at="2025-09-02T00:00:00Z"))
    live.project.run("old007").tags = ["edited"]
    called = live("--since", "2025-09-01")
    assert called.counts("new", "changed", "listed") == (1, 1, 131)
    assert live.runs()["old007"]["tags"] == ["edited"] and "missed" not in live.runs()


# -- locks and kills ------------------------------------------------------------------------------


def test_a_dry_run_waits_for_nobody(live: Live) -> None:
    live.project.add(a_run("r", metadata=PERSONAL_METADATA))
    with live.zone.locked("wandb"):
        called = live("--dry-run", "--metadata")
    wanted = "snapshot: new, metadata: yes, history: whole"
    assert f"would fetch {PATH}/r ({wanted})" in called.stderr
    assert not called.operations["RunFiles"] and not list(live.zone.manifests())


def test_two_calls_at_once(live: Live) -> None:
    """The second one waits, then finds that all has landed."""
    live.project.add(*(a_run(f"r{n}", 40) for n in range(8)))
    live.double.faults = faulty(Fault(delay=0.2), where="HistoryPage")
    calls = [live.start(), live.start()]
    assert [call.wait(60) for call in calls] == [0, 0]
    told = [live.ended(call).stderr for call in calls]
    assert sum("waiting for another extractor" in stderr for stderr in told) == 1
    live.assert_same_history()
    assert set(live.snapshots().values()) == {1}


def test_what_a_killed_call_left_goes_with_the_next(live: Live) -> None:
    """Nothing of it counts, nothing holds the API key, and its scratch folder is removed."""
    live.project.add(*(a_run(f"r{n}", 40, metadata=PERSONAL_METADATA) for n in range(6)))
    live.project.add(a_run("late", 40, exported_rows=40))
    live.double.faults = faulty(Fault(delay=20), run_id="late")
    process = live.start("--metadata", WANDB_CORE_DEBUG="true", WANDB_DEBUG="true")
    while not any(request.run_id == "late" for request in list(live.double.requests)):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert list((live.zone.root / "_tmp").glob("scratch-*"))
    assert not list(live.zone.manifests())
    assert_nowhere(API_KEY, live.folder)
    live.double.faults = None
    live("--metadata")  # which checks that nothing is left
    live.assert_same_history()
    assert set(live.snapshots().values()) == {1}
