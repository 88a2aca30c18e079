"""`wandb` on odd runs: gone accounts, huge steps, odd configs, short histories."""

from __future__ import annotations

import json

from tests.python.wandb.double import FakeRun, Fault, Request
from tests.python.wandb.live_testing import PATH, Live, a_run, later, live, rows

__all__ = ["live"]  # a fixture

INT = 2**31 - 1  # the largest Int of GraphQL


def pages(requests: list[Request]) -> list[Request]:
    return [one for one in requests if one.operation == "HistoryPage"]


# -- rows that have been read stay ----------------------------------------------------------------


def test_rows_stay_when_the_second_reading_is_refused(live: Live) -> None:
    """W&B counts more rows than it gives; asked for all in one page it refuses."""
    live.project.add(a_run("short", 30, history_line_count=40), a_run("whole", 5))
    asked: list[Request] = []

    def faults(request: Request) -> Fault | None:
        if request.operation != "HistoryPage" or request.run_id != "short":
            return None
        asked.append(request)
        return Fault(errors=("samples is too large",)) if len(asked) > 1 else None

    live.double.faults = faults
    called = live()
    assert len(asked) > 1, "no second reading was tried"
    live.assert_same_history()
    assert called.counts("history_rows", "refused", "short_histories") == (35, 0, 1)
    assert "W&B counts 40 history rows and gives 30" in called.stderr


def test_the_fuller_of_two_readings_counts(live: Live) -> None:
    """A server that caps a page gives less in one page than in several."""
    run = a_run("capped", 30, history_line_count=40)
    live.project.add(run)
    asked: list[Request] = []

    def faults(request: Request) -> Fault | None:
        if request.operation != "HistoryPage":
            return None
        asked.append(request)
        if len(asked) == 1:
            return None
        texts = [json.dumps(row) for row in rows(10)]
        return Fault(200, body=json.dumps({"data": {"project": {"run": {"history": texts}}}}))

    live.double.faults = faults
    live()
    assert len(asked) > 1
    live.assert_same_history()


def test_rows_stay_when_the_second_reading_stalls(live: Live) -> None:
    live.project.add(a_run("short", 30, history_line_count=40))
    asked: list[Request] = []

    def faults(request: Request) -> Fault | None:
        if request.operation == "HistoryPage":
            asked.append(request)
        is_second = request.operation == "HistoryPage" and len(asked) > 1
        return Fault(delay=30) if is_second else None

    live.double.faults = faults
    live("--deadline", "2")
    live.assert_same_history()


def test_the_tail_stays_when_the_whole_cannot_be_read(live: Live) -> None:
    run = a_run("tail", 10)
    live.project.add(run)
    live()
    later(run, 5)
    run.history_line_count = 20
    asked: list[Request] = []

    def faults(request: Request) -> Fault | None:
        if request.operation != "HistoryPage":
            return None
        asked.append(request)
        return Fault(errors=("too large",)) if len(asked) > 1 else None

    live.double.faults = faults
    live()
    live.assert_same_history()


# -- pages ----------------------------------------------------------------------------------------


def test_gaps_of_billions_of_steps_are_crossed_in_pages_that_fit_an_int(live: Live) -> None:
    """A run that logs tokens, or the time in milliseconds, as its step."""
    steps = (0, 1, 5_000_000_000, 5_000_000_001, 40_000_000_000)
    gaps = [{"_step": step, "_timestamp": 1.7e9 + n, "n": n} for n, step in enumerate(steps)]
    late = [{"_step": 1_700_000_000_000 + n, "_timestamp": 1.7e9 + n, "n": n} for n in range(20)]
    live.project.add(
        FakeRun("gaps", history=gaps),
        FakeRun("short", history=gaps, history_line_count=9),
        FakeRun("milliseconds", history=late),
    )
    called = live()
    live.assert_same_history()
    for request in pages(called.requests):
        variables = request.variables
        assert int(variables["maxStep"]) - int(variables["minStep"]) <= INT
        assert int(variables.get("samples") or 0) <= INT


def test_steps_that_would_take_millions_of_pages_are_refused_with_a_way_out(live: Live) -> None:
    first = 1_700_000_000_000_000_000
    late = [{"_step": first + n, "_timestamp": 1.7e9 + n, "n": n} for n in range(3)]
    live.project.add(FakeRun("nanoseconds", history=late), a_run("usual", 4))
    called = live(code=1)
    assert "--min-step" in called.stderr and "nanoseconds" in called.stderr
    live.assert_same_history("usual")
    assert not pages([one for one in called.requests if one.run_id == "nanoseconds"])


def test_a_refused_page_is_asked_for_in_smaller_ones(live: Live) -> None:
    live.project.add(a_run("large", 3000))

    def faults(request: Request) -> Fault | None:
        if request.operation != "HistoryPage":
            return None
        span = int(request.variables["maxStep"]) - int(request.variables["minStep"])
        return Fault(400, body='{"errors":[{"message":"page too large"}]}') if span > 500 else None

    live.double.faults = faults
    live()
    live.assert_same_history()


# -- runs that the client cannot read -------------------------------------------------------------


def test_a_run_that_the_client_cannot_read_is_skipped_by_name(live: Live) -> None:
    """Its account is gone, so its user is null: the client gives up the page and all after it."""
    runs = [
        a_run(f"r{n:03}", 2, created_at=f"2025-08-21T10:{n // 60:02}:{n % 60:02}Z")
        for n in range(120)
    ]
    runs[7].user = runs[60].user = None
    live.project.add(*runs)
    called = live(code=1)
    assert called.counts("refused") == (2,)
    assert set(live.runs()) == {run.run_id for run in runs} - {"r007", "r060"}
    assert len(live.outcomes("run", "refused")) == 2
    assert all("r0" in message and "cannot read" in message for message in called.refusals)
    live.assert_same_history(*live.runs())

    # It is no deleted run, and lands once it can be read.
    live(code=1)
    assert live.outcomes("run", "deleted") == []
    runs[7].user, runs[60].user = {"name": "Ada", "username": "ada"}, runs[0].user
    live()
    assert set(live.runs()) == {run.run_id for run in runs}


def test_a_known_run_that_cannot_be_read_any_more_is_not_deleted(live: Live) -> None:
    live.project.add(a_run("kept"), a_run("gone user"))
    live()
    live.project.run("gone user").user = None
    called = live(code=1)
    assert f"{PATH}/gone user" in called.stderr
    assert live.outcomes("run", "deleted") == []
    assert set(live.runs()) == {"kept", "gone user"}


# -- configs and references -----------------------------------------------------------------------


def test_a_config_value_with_a_key_named_value_keeps_its_other_keys(live: Live) -> None:
    config = {
        "opt": {"value": 1, "kind": "adam"},
        "wrapped": {"value": {"value": 2}},
        "alone": {"value": 3},
        "desc": {"value": 4, "desc": "of a user"},
        "plain": 5,
        "none": None,
    }
    live.project.add(a_run("r", config=config), a_run("empty", config={}))
    live()
    assert live.runs()["r"]["config"] == config
    assert not live.runs()["empty"].get("config")


def test_references_to_artifacts_stay_readable(live: Live) -> None:
    table = {
        "_type": "table-file",
        "path": "media/table/predictions_3_abc.table.json",
        "artifact_path": "wandb-client-artifact://0f1e2d3c:latest/predictions.table.json",
        "_latest_artifact_path": "wandb-client-artifact://0f1e2d3c:latest/predictions.table.json",
    }
    run = a_run("r", 2, summary={"predictions": table}, predictions=table)
    run.config = {
        "model_path": "ml-moe/ft-scaling/ckpt-150M:v3",
        "dataset": "wandb-artifact://5f6e7d8c/train.jsonl",
        "output_dir": "scratch/asimov/out",
        "note": "saved as wandb-artifact://5f6e7d8c/model.pt beside /home/asimov/model.pt",
    }
    live.project.add(run)
    live()
    landed = live.runs()["r"]
    assert landed["summary"]["predictions"] == table
    config = landed["config"]
    assert config["model_path"] == "ml-moe/ft-scaling/ckpt-150M:v3"
    assert config["dataset"] == "wandb-artifact://5f6e7d8c/train.jsonl"
    assert "wandb-artifact://5f6e7d8c/model.pt" in config["note"]
    assert "asimov" not in json.dumps(landed)
    assert live.history()["r"][0]["predictions"] == table
