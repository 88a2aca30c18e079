"""What is fetched of a run, given what a listing shows and what has landed: a table of stories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from extract.wandb.client import ListedRun, Selection
from extract.wandb.ledger import HistoryProgress, KnownRun
from extract.wandb.plan import Needs, Options, keys_to_fetch, needs, window_to_fetch
from extract.wandb.records import RunRecord

LONG_AGO = "2025-08-21T11:00:00Z"
NOW = datetime.now(UTC).isoformat()
LANDED = HistoryProgress(
    replaces_earlier=True, n_rows=10, last_step=9, last_rows=("h",), keys=None, min_step=None,
    max_step=None, heartbeat_at=LONG_AGO, listed_line_count=10, listed_last_step=9,
)  # fmt: skip
KNOWN = KnownRun(listed_sha256="same", has_metadata=True, history=LANDED)


def listed(
    *, state: str = "finished", heartbeat_at: str = LONG_AGO, lines: int | None = 10,
    last_step: int | None = 9,
) -> ListedRun:  # fmt: skip
    record = RunRecord({"run_id": "r", "state": state, "heartbeat_at": heartbeat_at}, None)
    return ListedRun(record, lines, last_step, n_history_keys=3, handle=None)


def known(**history: object) -> KnownRun:
    return replace(KNOWN, history=replace(LANDED, **history))


FULL = Options(full=True)
METADATA = Options(metadata=True)
RUNS_ONLY = Options(runs_only=True)
KEYS = Options(history_keys=("loss",))
WINDOW = Options(min_step=5)
NOTHING = Needs()

STORIES = [
    # story, listed, its content's hash, known, options, needs
    ("nobody knows it", listed(), "x", None, Options(), Needs("new", history="whole")),
    ("it came from files", listed(), "x", KnownRun(), Options(), Needs("new", history="whole")),
    ("it is new and never logged", listed(lines=0), "x", None, Options(), Needs("new")),
    ("it is new and has yet to log", listed(state="running", lines=0), "x", None, Options(),
     Needs("new", history="whole")),
    ("W&B does not count its rows", listed(lines=None), "x", None, Options(),
     Needs("new", history="whole")),
    ("it is new, and runs are enough", listed(), "x", None, RUNS_ONLY, Needs("new")),
    ("nothing happened", listed(), "same", KNOWN, Options(), NOTHING),
    ("it was edited weeks after its end", listed(), "other", KNOWN, Options(), Needs("changed")),
    ("it went on", listed(heartbeat_at=NOW, lines=12, last_step=11), "other", KNOWN, Options(),
     Needs("changed", history="tail")),
    ("only its heartbeat moved", listed(heartbeat_at=NOW), "other", KNOWN, Options(),
     Needs("changed", history="tail")),
    ("only its count of rows moved", listed(lines=11), "other", KNOWN, Options(),
     Needs("changed", history="tail")),
    ("it runs, and nothing is new", listed(state="running"), "same", KNOWN, Options(),
     Needs(history="tail")),
    ("a state that is not known may go on", listed(state="preempting"), "same", KNOWN, Options(),
     Needs(history="tail")),
    ("it runs, and runs are enough", listed(state="running"), "same", KNOWN, RUNS_ONLY, NOTHING),
    ("its history was left out", listed(), "same", replace(KNOWN, history=None), Options(),
     Needs(history="whole")),
    ("its history failed at first", listed(lines=0), "same",
     replace(KNOWN, history=None, refused=frozenset({"history"})), Options(),
     Needs(history="whole")),
    ("its history failed later", listed(), "same",
     replace(KNOWN, refused=frozenset({"history"})), Options(), Needs(history="tail")),
    ("it failed as a whole", listed(), "same", replace(KNOWN, refused=frozenset({"run"})),
     Options(), Needs("again")),
    ("it came back", listed(), "same", replace(KNOWN, is_deleted=True), Options(), Needs("again")),
    ("all of it is asked for", listed(), "same", KNOWN, FULL, Needs("again", history="whole")),
    ("all of it, and runs are enough", listed(), "same", KNOWN, replace(FULL, runs_only=True),
     Needs("again")),
    ("metadata for the first time", listed(), "same", replace(KNOWN, has_metadata=False), METADATA,
     Needs("again", metadata=True)),
    ("metadata has landed", listed(), "same", KNOWN, METADATA, NOTHING),
    ("metadata failed", listed(), "same", replace(KNOWN, refused=frozenset({"metadata"})),
     METADATA, Needs("again", metadata=True)),
    ("metadata of an edited run", listed(), "other", KNOWN, METADATA,
     Needs("changed", metadata=True)),
    ("it is short since today", listed(), "same", known(is_short=True, heartbeat_at=NOW), Options(),
     Needs(history="tail")),  # the heartbeat differs
    ("it is short since today, and W&B says the same", listed(heartbeat_at=NOW), "same",
     known(is_short=True, heartbeat_at=NOW), Options(), Needs(history="whole")),
    ("it has been short for long", listed(), "same", known(is_short=True), Options(), NOTHING),
    ("all keys have landed, some are asked for", listed(), "same", KNOWN, KEYS, NOTHING),
    ("those keys have landed", listed(), "same", known(keys=("loss",)), KEYS, NOTHING),
    ("other keys have landed", listed(), "same", known(keys=("lr",)), KEYS,
     Needs(history="whole")),
    ("some keys have landed, all are asked for", listed(), "same", known(keys=("loss",)),
     Options(), Needs(history="whole")),
    ("all steps have landed, some are asked for", listed(), "same", KNOWN, WINDOW, NOTHING),
    ("those steps have landed", listed(), "same", known(min_step=5), WINDOW, NOTHING),
    ("those steps have landed, and it runs", listed(state="running"), "same", known(min_step=5),
     WINDOW, Needs(history="tail")),
    ("other steps have landed", listed(), "same", known(min_step=3), WINDOW,
     Needs(history="whole")),
    ("some steps have landed, all are asked for", listed(), "same", known(max_step=5), Options(),
     Needs(history="whole")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("run", "sha256", "landed", "options", "expected"),
    [story[1:] for story in STORIES],
    ids=[story[0] for story in STORIES],
)
def test_needs(
    run: ListedRun, sha256: str, landed: KnownRun | None, options: Options, expected: Needs
) -> None:
    assert needs(run, sha256, landed, options) == expected


@pytest.mark.parametrize(
    ("heartbeat", "expected"),
    [
        (datetime.now(UTC) - timedelta(hours=23), "whole"),
        (datetime.now(UTC) - timedelta(hours=25), None),
        ((datetime.now(UTC) - timedelta(hours=23)).replace(tzinfo=None), "whole"),
        ("no time", None),
        (None, None),
    ],
    ids=["within a day", "after a day", "without a zone", "no time", "nothing"],
)
def test_a_short_history_is_given_up_after_a_day(heartbeat: object, expected: str | None) -> None:
    at = heartbeat.isoformat() if isinstance(heartbeat, datetime) else heartbeat
    run = listed(heartbeat_at=at)  # type: ignore[arg-type]
    assert needs(run, "same", known(is_short=True, heartbeat_at=at), Options()).history == expected


@pytest.mark.parametrize(
    ("landed", "asked", "fetched"),
    [
        (None, (), None),
        (None, ("a",), ("a",)),
        (("a",), ("b",), ("a", "b")),
        (("a", "b"), ("a",), ("a", "b")),
        (("a",), (), None),
    ],
)
def test_never_fewer_keys_than_have_landed(
    landed: tuple[str, ...] | None, asked: tuple[str, ...], fetched: tuple[str, ...] | None
) -> None:
    progress = replace(LANDED, keys=landed) if landed else None
    assert keys_to_fetch(progress, Options(history_keys=asked)) == fetched


def test_all_keys_stay_all_keys() -> None:
    assert keys_to_fetch(LANDED, Options(history_keys=("a",))) is None


def test_a_window_is_no_limit_to_what_landed_as_a_whole() -> None:
    options = Options(min_step=3, max_step=7)
    assert window_to_fetch(None, options) == (3, 7)
    assert window_to_fetch(LANDED, options) == (None, None)
    assert window_to_fetch(replace(LANDED, max_step=5), options) == (3, 7)


def test_a_part_of_a_project_is_not_everything() -> None:
    assert Options().is_everything
    assert Options(full=True, metadata=True, runs_only=True, min_step=3).is_everything
    for part in (
        Options(since="2025-01-01"), Options(limit=1), Options(selection=Selection(tags=("x",))),
        Options(selection=Selection(run_ids=("r",))),
    ):  # fmt: skip
        assert not part.is_everything
