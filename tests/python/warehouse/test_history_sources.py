"""Everything that was logged of a run reaches the marts, from any mixture of sources."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.landing.encoding import dump_json
from extract.landing.layout import manifest_path
from extract.landing.manifest import Outcome
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.wandb import files as wandb_files
from extract.wandb.records import logged_row, record_of, run_line
from tests.python.testing import decompressed
from tests.python.wandb.offline_testing import (
    STARTED_S,
    exit_record,
    row_record,
    run_client,
    run_record,
    write_log,
)
from tests.python.warehouse.evaluated import Models, rows_of
from tests.python.warehouse.harness import PSEUDONYM_KEY, Warehouse, write_jsonl

ENTITY, PROJECT, RUN_ID = "e", "p", "r"
PSEUDONYMISER = Pseudonymiser(PSEUDONYM_KEY)
Row = dict[str, Any]
NewWarehouse = Callable[[str], Warehouse]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    marts = ("runs", "run_history", "run_history_sources", "run_config_values")
    return Models(tmp_path_factory.mktemp("models"), *marts)


# -- what a test lands ----------------------------------------------------------------------------


class Zone:
    """A zone that is filled in this process, and the marts of it."""

    def __init__(self, models: Models, folder: Path) -> None:
        self._models = models
        self._folder = folder
        self.zone = LandingZone(folder / "raw")
        self._n_files = 0

    def path(self, name: str) -> Path:
        """A new file, in a folder of its own."""
        self._n_files += 1
        path = self._folder / f"{self._n_files}" / name
        path.parent.mkdir(parents=True)
        return path

    def file(self, documents: Iterable[Any], exported_at: str | None = None) -> None:
        """An export, of the kind that says when it was made or of one that does not."""
        path = write_jsonl(self.path("export.jsonl"), documents)
        if exported_at:
            manifest = {"entity": ENTITY, "project": PROJECT, "updated_at": exported_at}
            (path.parent / "manifest.json").write_text(json.dumps(manifest))
        self.land(path if not exported_at else path.parent)

    def log(self, records: Sequence[bytes]) -> None:
        """The log of an offline session."""
        self.land(write_log(self.path("run-r.wandb"), records))

    def land(self, *paths: Path) -> None:
        summary = wandb_files.land(self.zone, paths, PSEUDONYMISER, entity=ENTITY, project=PROJECT)
        assert summary.refused == 0, summary.messages

    def live(self, rows: Sequence[Row], run: dict[str, Any] | None = None, **progress: Any) -> None:
        """What a call of `wandb` lands of one run: its history as a whole, or what has come."""
        progress = {"replaces_earlier": True, "n_rows": len(rows)} | progress
        arguments = {"command": "wandb", "projects": [f"{ENTITY}/{PROJECT}"]}
        with (
            self.zone.locked("wandb"),
            self.zone.batch("wandb", arguments, pseudonym_key_id=PSEUDONYMISER.key_id) as batch,
        ):
            if run:
                line = run_line(record_of(run).fields, 1, None)
                batch.write("runs", ENTITY, PROJECT, line)
            for row in rows:
                fields = logged_row(RUN_ID, row).fields
                batch.write("history", ENTITY, PROJECT, dump_json(fields))
            names = {"entity": ENTITY, "project": PROJECT, "run_id": RUN_ID}
            batch.outcome(Outcome("history", "landed", rows=len(rows), progress=progress, **names))

    def marts(self) -> duckdb.DuckDBPyConnection:
        return self._models.of(self.zone)

    def history(self) -> list[Row]:
        """What `run_history` shows, as rows of W&B; every landed row is accounted for."""
        with self.marts() as con:
            return shown(con)


@pytest.fixture
def landing(models: Models, tmp_path: Path) -> Zone:
    return Zone(models, tmp_path)


def shown(con: duckdb.DuckDBPyConnection) -> list[Row]:
    ((landed, accounted, n_shown),) = con.execute(
        "select sum(n_rows_landed), sum(n_rows_shown + n_rows_merged + n_rows_superseded), "
        "sum(n_rows_shown) from marts.run_history_sources"
    ).fetchall()
    rows = rows_of(con, "select * from marts.run_history order by run_path, step, row_ordinal")
    assert (landed, n_shown) == (accounted, len(rows))
    return [logged(row) for row in rows]


def logged(row: Row) -> Row:
    """A row of the mart as it was logged."""
    clocks = {
        "_step": row["step"],
        "_timestamp": row["logged_at"] and round(row["logged_at"].timestamp(), 3),
    }
    names = ("train_loss", "learning_rate", "total_tokens")
    metrics = {name: row[name] for name in names} | json.loads(row["metrics"] or "{}")
    return {key: value for key, value in (clocks | metrics).items() if value is not None}


def a_row(step: int, at: float | None = None, **metrics: Any) -> Row:
    """A row as W&B has it, logged so many seconds after the start of the run."""
    clocks = {"_step": step} if at is None else {"_step": step, "_timestamp": STARTED_S + at}
    return clocks | metrics


def exported(rows: Iterable[Row]) -> list[Row]:
    return [{"run_id": RUN_ID, **row} for row in rows]


def a_run(**fields: Any) -> dict[str, Any]:
    names = {"entity": ENTITY, "project": PROJECT, "run_id": RUN_ID, "run_name": RUN_ID}
    return names | {"state": "finished", "created_at": "2025-08-19T05:39:25Z"} | fields


def record(row: Row) -> bytes:
    """A row in the log of an offline session."""
    return row_record(row["_step"], **{key: row[key] for key in row if key != "_step"})


# -- one run, from any of its sources -------------------------------------------------------------


def the_rows() -> list[Row]:
    """Of a run that crashed after step 7 and went on from the checkpoint of step 6."""
    rows = []
    for at, step in enumerate([0, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 10]):
        row = a_row(step, at * 1.25 + 0.1234, train_loss=5 - step / 4, learning_rate=1e-5)
        row["total_tokens"] = 2**53 + 1 + step
        if step % 3 == 0:
            row |= {"val/acc": step / 10, "big": 168631869269606400000 + step}
        if at > 7:
            row |= {"after": {"crash": at, "none": None}}
        rows.append(row)
    return rows


ROWS = the_rows()
FIRST, SECOND = ROWS[:8], ROWS[8:]
BY_STEP = sorted(ROWS, key=lambda row: row["_step"])  # stable, as W&B gives them
CUT = 8  # between the two rows of step 7
KEYS = sorted({key for row in ROWS for key in row} - {"_step", "_timestamp"})
CONFIG = {"learning_rate": 1e-5, "num_train_epochs": 2}


def slice_of(*keys: str) -> list[Row]:
    """What W&B exports of some metrics: the rows that have all of them."""
    kept = ("_step", "_timestamp", *keys)
    return [{key: row[key] for key in kept} for row in BY_STEP if row.keys() >= set(keys)]


def untimed(key: str) -> list[Row]:
    return [{"_step": row["_step"], key: row[key]} for row in BY_STEP]


@dataclass(frozen=True)
class Source:
    """One of the sources of the run: how it lands, and what it has of the run."""

    land: Callable[[Zone], None]
    rows: Sequence[Row]
    is_offline: bool = False


def a_file(rows: Sequence[Row]) -> Source:
    return Source(lambda landing: landing.file(exported(rows)), rows)


def a_session(rows: Sequence[Row], run: bytes, *end: bytes) -> Source:
    records = [run, *map(record, rows), *end]
    return Source(lambda landing: landing.log(records), rows, is_offline=True)


def coarse(row: Row) -> Row:
    """With the time as a table of milliseconds has it."""
    return row | {"_timestamp": round(row["_timestamp"], 3)}


BEGUN = run_record(started_s=STARTED_S + 0.5, config=CONFIG, tags=["a"], notes="n", run_group="g")
RESUMED = run_record(started_s=STARTED_S + 9.5, tags=["b"])
SOURCES = {
    "export": a_file(BY_STEP),
    "early export": a_file(BY_STEP[:6]),
    "milliseconds": a_file([coarse(row) for row in BY_STEP]),
    "first half": a_file(BY_STEP[:CUT]),
    "second half": a_file(BY_STEP[CUT:]),
    "both metrics": a_file(slice_of("train_loss", "val/acc")),
    **{f"slice of {key}": a_file(slice_of(key)) for key in KEYS},
    "session": a_session(FIRST, BEGUN),
    "cut session": a_session(FIRST[:3], BEGUN),
    "resumed session": a_session(SECOND, RESUMED, exit_record()),
    "live": Source(lambda landing: landing.live(BY_STEP, a_run(config=CONFIG)), BY_STEP),
}


def expected(names: Iterable[str]) -> list[Row]:
    """The union of what the sources have, whatever their order."""
    found: dict[tuple[int, float], Row] = {}
    for name in names:
        for row in SOURCES[name].rows:
            moment = round(row["_timestamp"], 3)
            found.setdefault((row["_step"], moment), {}).update(row)
    for (_, moment), row in found.items():
        row["_timestamp"] = moment
    return [found[moment] for moment in sorted(found)]


@given(names=st.lists(st.sampled_from(sorted(SOURCES)), unique=True, min_size=1, max_size=8))
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_marts_are_what_the_sources_say_in_any_order(models: Models, names: list[str]) -> None:
    found = []
    for order in (names, sorted(names)):
        with tempfile.TemporaryDirectory() as folder:
            landing = Zone(models, Path(folder))
            landing.file([a_run()])
            for name in order:
                SOURCES[name].land(landing)
            with landing.marts() as con:
                assert shown(con) == expected(names), order
                found.append(rows_of(con, "select * from marts.runs"))
                (run,) = found[-1]
                sessions = {"session", "cut session"} & set(names)
                assert run["n_sessions"] == bool(sessions) + ("resumed session" in names)
                if "live" in names or sessions:
                    assert (run["learning_rate"], run["ft_epochs"]) == (1e-5, 2)
                for name, source in SOURCES.items():
                    if name in names and source.is_offline:
                        assert run["has_unrepaired_counter"] is False
    assert found[0] == found[1]


# -- what the server had later --------------------------------------------------------------------

BEFORE = [a_row(step, step, train_loss=9 - step, old=step) for step in range(10)]
# Rewound to step 5, and logged anew up to step 7.
AGAIN = [a_row(step, 20 + step, train_loss=100 + step, new=step) for step in range(5, 8)]
AFTER = [*BEFORE[:5], *AGAIN]


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("is_dated", [False, True])
def test_a_rewound_run_has_its_later_rows_where_there_are_any(
    landing: Zone, is_dated: bool, is_reversed: bool
) -> None:
    """Steps that the later export lacks stay; what is superseded, and by what, can be asked."""
    exports = [
        (BEFORE, "2025-09-01T00:00:00Z" if is_dated else None),
        (AFTER, "2025-09-02T00:00:00Z" if is_dated else None),
    ]
    landing.file([a_run()])
    for rows, exported_at in exports[:: -1 if is_reversed else 1]:
        landing.file(exported(rows), exported_at)
    with landing.marts() as con:
        assert [(row["_step"], row["train_loss"]) for row in shown(con)] == [
            *((step, 9 - step) for step in range(5)),
            *((step, 100 + step) for step in range(5, 8)),
            *((step, 9 - step) for step in range(8, 10)),
        ]
        assert con.execute(
            "select n_rows_landed, n_rows_shown, n_rows_merged, n_rows_superseded, "
            "superseded_by = [lead(batch_id) over (order by said_at)] "
            "from marts.run_history_sources order by said_at"
        ).fetchall() == [(10, 2, 5, 3, True), (8, 8, 0, 0, False)]


def test_of_a_key_that_differs_the_later_value_counts(landing: Zone) -> None:
    """Later is what was exported later, also where it lands first; nothing is mixed in a value."""
    early = a_row(1, 1.5, loss=1, kept="early", nested={"a": 1, "b": None})
    late = a_row(1, 1.5, loss=2, new="late", nested={"c": None})
    landing.file([a_run()])
    landing.file(exported([late]), "2025-09-02T00:00:00Z")
    landing.file(exported([early]), "2025-09-01T00:00:00Z")
    (row,) = landing.history()
    assert {key: row[key] for key in row if key != "_timestamp"} == {
        "_step": 1, "loss": 2, "kept": "early", "new": "late", "nested": {"c": None},
    }  # fmt: skip


def test_rows_without_a_time_are_known_by_step_and_order(landing: Zone) -> None:
    """As `run.history(keys=[...])` gives them, beside rows with times or alone."""
    for key in ("train_loss", "learning_rate"):
        landing.file(exported(untimed(key)))
    landing.file([a_run()])
    alone = landing.history()
    assert [row["train_loss"] for row in alone] == [row["train_loss"] for row in BY_STEP]
    assert all(row.keys() == {"_step", "train_loss", "learning_rate"} for row in alone)
    landing.file(exported(BY_STEP))
    assert landing.history() == expected(["export"])


def test_a_whole_history_from_the_server_leaves_offline_sessions_alone(landing: Zone) -> None:
    """It replaces what the server had before, in whichever form that landed."""
    landing.file([a_run()])
    landing.file(exported(BEFORE))
    landing.live(BEFORE)
    landing.log([RESUMED, *map(record, SECOND)])
    landing.live(AFTER)
    landing.live(
        [a_row(7, 40, train_loss=1), a_row(8, 41, train_loss=2)], replaces_earlier=False, n_rows=10
    )
    with landing.marts() as con:
        rows = [(row["_step"], row["train_loss"]) for row in shown(con)]
        by_origin = dict(
            con.execute(
                "select origin || row_number() over (partition by origin order by batch_id), "
                "n_rows_superseded from marts.run_history_sources"
            ).fetchall()
        )
    tail = [*AFTER, a_row(7, 40, train_loss=1), a_row(8, 41, train_loss=2)]
    assert sorted(rows) == sorted((row["_step"], row["train_loss"]) for row in [*tail, *SECOND])
    assert by_origin == {"file1": 10, "live1": 10, "live2": 0, "live3": 0, "offline1": 0}


def test_rows_of_ranks_that_know_their_time_to_the_second(landing: Zone) -> None:
    """Clients up to 0.12 wrote whole seconds, in which two processes may log the same step."""
    for rank in range(2):
        rows = [a_row(step, step, train_loss=rank, rank=rank) for step in range(3)]
        landing.log([run_record(), *map(record, rows)])
    both = [a_row(step, step, train_loss=rank, rank=rank) for step in range(3) for rank in range(2)]
    with landing.marts() as con:
        (n_sessions,) = con.execute("select n_sessions from marts.runs").fetchone() or ()
        assert (n_sessions, shown(con)) == (2, both)
    landing.file(exported(both))  # what W&B has of them once they were synced
    assert landing.history() == both


def test_a_log_that_landed_before_sessions_were_told_apart(landing: Zone) -> None:
    """It builds; `status` names it, and landed again its rows are the same ones."""
    log = [BEGUN, *map(record, FIRST)]
    path = write_log(landing.path("run-r.wandb"), log)
    landing.land(path)
    (manifest,) = landing.zone.manifests("wandb")
    path_of_manifest = manifest_path(landing.zone.root, "wandb", manifest.batch_id)
    content = json.loads(path_of_manifest.read_text())
    content["arguments"].pop(wandb_files.TELLS_SESSION)
    path_of_manifest.write_text(json.dumps(content))
    for entry in manifest.files:
        if entry.kind != "outcomes":
            without_session(landing.zone.root / entry.path)
    landing.log([RESUMED, *map(record, SECOND)])
    with landing.marts() as con:
        assert shown(con) == expected(["export"])
        assert con.execute("select n_sessions from marts.runs").fetchall() == [(2,)]
    assert wandb_files.to_land_again(landing.zone) == ["run-r.wandb"]
    landing.land(path)
    assert wandb_files.to_land_again(landing.zone) == []
    with landing.marts() as con:
        assert shown(con) == expected(["export"])
        assert con.execute(
            "select count(distinct session), count(session), max(n_sessions) "
            "from marts.run_history join marts.runs using (run_path)"
        ).fetchall() == [(2, len(ROWS), 2)]


def without_session(path: Path) -> None:
    """A landed file as it was before."""
    rows = [json.loads(line) for line in decompressed(path).splitlines()]
    lines = [dump_json({key: row[key] for key in row if key != "session"}) for row in rows]
    path.write_bytes(zstandard.compress(b"\n".join(lines) + b"\n"))


# -- the real client ------------------------------------------------------------------------------

OFFLINE = '''
import subprocess, sys
of = {"entity": "e", "project": "p"}
known = {"config": {"learning_rate": 5e-5, "num_train_epochs": 3}, "tags": ["given"],
         "name": "own name", "notes": "own notes", "group": "own group"}
with wandb.init(id="resumed", **known, **of) as run:
    for step in range(4):
        run.log({"train_loss": step, "total_tokens": 1000 * step})
with wandb.init(id="resumed", resume="allow", **of) as run:
    for step in range(3):
        run.log({"train_loss": 10 + step, "total_tokens": 1000 * step})
with wandb.init(id="rewound", **known, **of) as run:
    for step in range(6):
        run.log({"train_loss": step, "total_tokens": 300_000_000 * step})
with wandb.init(resume_from="rewound?_step=2", **of) as run:
    for step in range(3, 5):
        run.log({"train_loss": 10 + step, "total_tokens": 300_000_000 * step})
RANK = """
import sys, time, wandb
rank = int(sys.argv[1])
known = {"config": {"learning_rate": 1e-4}, "name": "ranks"} if rank == 0 else {"tags": ["1"]}
with wandb.init(id="ranks", entity="e", project="p", **known) as run:
    for step in range(3):
        run.log({"train_loss": 10 * rank + step, "total_tokens": 1000 * step - 100 * rank})
        time.sleep(0.02)
"""
processes = []
for rank in range(2):
    folder = os.environ["WANDB_DIR"] + f"/rank{rank}"
    os.makedirs(folder)
    # Each of them has a client of its own, as on two machines.
    own = {key: value for key, value in os.environ.items() if "SERVICE" not in key}
    command = [sys.executable, "-c", RANK, str(rank)]
    processes.append(subprocess.Popen(command, env=own | {"WANDB_DIR": folder}))
assert [process.wait() for process in processes] == [0, 0]
'''


@pytest.fixture(scope="module")
def offline_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_client(tmp_path_factory.mktemp("offline"), OFFLINE).parent


def test_sessions_of_the_real_client_are_parts_of_their_runs(
    new_warehouse: NewWarehouse, offline_runs: Path
) -> None:
    """Each logged value is there once, and what was given once stays; with all data tests."""
    warehouse = new_warehouse("offline")
    warehouse.land(*sorted(offline_runs.rglob("*.wandb"), reverse=True))
    warehouse.build(tests=True)
    found: dict[str, list[tuple[int, float]]] = {}
    for run_id, *row in warehouse.query(
        "select run_id, step, train_loss from marts.run_history order by step, row_ordinal"
    ):
        found.setdefault(run_id, []).append(tuple(row))
    assert {run_id: sorted(rows) for run_id, rows in found.items()} == {
        "resumed": sorted([*((n, n) for n in range(4)), *((n, 10 + n) for n in range(3))]),
        "rewound": sorted([*((n, n) for n in range(6)), (3, 13), (4, 14)]),
        "ranks": sorted((n, 10 * rank + n) for n in range(3) for rank in range(2)),
    }
    assert warehouse.query(
        "select run_id, n_sessions, n_history_rows, history_line_count, run_name, state, notes, "
        "run_group, tags, learning_rate, ft_epochs, ft_epochs_source, config_status, "
        "n_counter_resets from marts.runs order by run_id"
    ) == [
        ("ranks", 2, 6, 6, "ranks", "finished", None, None, ["1"], 1e-4, 1, "default", "own", 0),
        ("resumed", 2, 7, 7, "own name", "finished", "own notes", "own group", ["given"], 5e-5, 3,
         "config", "own", 0),
        ("rewound", 2, 8, 8, "own name", "finished", "own notes", "own group", ["given"], 5e-5, 3,
         "config", "own", 0),
    ]  # fmt: skip
    assert warehouse.query(
        "select run_id, count(distinct session) from marts.run_history group by all order by run_id"
    ) == [("ranks", 2), ("resumed", 2), ("rewound", 2)]
    # A counter that goes back with its run has lost nothing.
    assert warehouse.query(
        "select count(*) from marts.run_history where total_tokens != total_tokens_raw"
    ) == [(0,)]


def test_one_export_for_each_key(new_warehouse: NewWarehouse, tmp_path: Path) -> None:
    """As people dump a long run: W&B's scan of one metric gives the rows that have it."""
    rows = [
        a_row(step, step, train_loss=2.0 - step, learning_rate=1e-5, **{"val/acc": step / 10})
        for step in range(4)
    ]
    files = [write_jsonl(tmp_path / "runs.jsonl", [a_run()])]
    for key, steps in {
        "train_loss": range(4),
        "learning_rate": range(4),
        "val/acc": (1, 3),
    }.items():
        kept = ("_step", "_timestamp", key)
        documents = exported({name: rows[step][name] for name in kept} for step in steps)
        files.append(write_jsonl(tmp_path / f"{key.replace('/', '_')}.jsonl", documents))
    warehouse = new_warehouse("keys")
    warehouse.land(*files, "--entity", ENTITY, "--project", PROJECT)
    warehouse.build(tests=True)
    assert warehouse.query(
        "select step, train_loss, learning_rate, metrics ->> '$.\"val/acc\"' "
        "from marts.run_history order by step"
    ) == [(0, 2, 1e-5, None), (1, 1, 1e-5, "0.1"), (2, 0, 1e-5, None), (3, -1, 1e-5, "0.3")]
    assert warehouse.query(
        "select sum(n_rows_landed), sum(n_rows_shown), sum(n_rows_merged), "
        "sum(n_rows_superseded) from marts.run_history_sources"
    ) == [(10, 4, 6, 0)]
