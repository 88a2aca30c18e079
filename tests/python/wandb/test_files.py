"""`wandb-files`: what is wrong with an input is told and recorded, and the rest of it lands."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.errors import UsageError
from extract.landing.zone import LandingZone
from extract.wandb import files as wandb_files
from tests.python.testing import (
    ENTITY,
    PROJECT,
    RUN_ID,
    a_row,
    a_run,
    check_zone,
    cli,
    files_of,
    land,
    landed,
    multiset,
    summary_of,
    write_jsonl,
)

GOOD = [a_run("r1"), a_row(1, "r1"), a_row(2, "r1"), a_run("r2")]


# -- good inputs ----------------------------------------------------------------------------------


def test_runs_and_history_land_with_an_outcome_for_each(zone: LandingZone, tmp_path: Path) -> None:
    summary = land(zone, write_jsonl(tmp_path / "export.jsonl", GOOD))
    assert vars(summary) == {
        "inputs": 1, "already_landed": 0, "runs": 2, "history_rows": 2, "unknown_project_rows": 2,
        "refused": 0, "not_exports": 0, "messages": [], "notes": summary.notes,
    }  # fmt: skip
    check_zone(zone)
    assert [(run["run_id"], run["line"]) for run in landed(zone, "runs")] == [("r1", 1), ("r2", 4)]
    assert landed(zone, "history") == [
        {"run_id": "r1", "step": n, "timestamp": 1.7e9 + n, "train_loss": 1 / (n + 1),
         "metrics": {"note": f"step {n}"}} for n in (1, 2)
    ]  # fmt: skip
    outcomes = landed(zone, "outcomes")
    assert all(outcome.pop("recorded_at") for outcome in outcomes)
    assert sorted(outcomes, key=lambda o: (o["item"], o["run_id"])) == [
        {"item": "history", "status": "landed", "run_id": "r1", "rows": 2, "source": "wandb"},
        {"item": "run", "status": "landed", "entity": ENTITY, "project": PROJECT,
         "run_id": "r1", "rows": 1, "source": "wandb"},
        {"item": "run", "status": "landed", "entity": ENTITY, "project": PROJECT,
         "run_id": "r2", "rows": 1, "source": "wandb"},
    ]  # fmt: skip


def test_the_same_input_twice_lands_once(zone: LandingZone, tmp_path: Path) -> None:
    export = write_jsonl(tmp_path / "export.jsonl", GOOD)
    first = cli("wandb-files", export, "--raw-dir", zone.root)
    before = files_of(zone)
    copy = tmp_path / "renamed.jsonl"
    copy.write_bytes(export.read_bytes())
    second = cli("wandb-files", export, copy, "--raw-dir", zone.root)
    assert (first.returncode, second.returncode, second.stderr) == (0, 0, "")
    assert summary_of(first)["already_landed"] == 0
    assert summary_of(second)["already_landed"] == 2
    assert files_of(zone) == before


def test_two_copies_of_an_input_in_one_call_land_once(zone: LandingZone, tmp_path: Path) -> None:
    copies = [write_jsonl(tmp_path / name, GOOD) for name in ("a.jsonl", "b.jsonl")]
    summary = land(zone, *copies, copies[0], tmp_path)
    assert (summary.inputs, summary.already_landed) == (2, 1)
    assert len(landed(zone, "runs")) == 2


def test_a_changed_export_lands_beside_the_old_one(zone: LandingZone, tmp_path: Path) -> None:
    """The zone keeps every snapshot; the models choose the newest."""
    export = write_jsonl(tmp_path / "export.jsonl", [a_run(state="running")])
    land(zone, export)
    land(zone, write_jsonl(export, [a_run(state="finished")]))
    assert [run["state"] for run in landed(zone, "runs")] == ["running", "finished"]


def test_snapshots_of_one_run_in_one_file_land_if_they_were_exported_at_different_times(
    zone: LandingZone, tmp_path: Path
) -> None:
    """A raw extract is append-only: one record per run and pull."""
    records = [
        {"run_id": "r", "entity": "e", "project": "p", "exported_at": f"2025-09-0{day}",
         "raw_run": {"state": state}}
        for day, state in [(1, "running"), (2, "finished")]
    ]  # fmt: skip
    assert land(zone, write_jsonl(tmp_path / "runs_raw.jsonl", records)).refused == 0
    assert [(run["exported_at"], run["state"]) for run in landed(zone, "runs")] == [
        ("2025-09-01", "running"), ("2025-09-02", "finished"),
    ]  # fmt: skip


def test_folders_are_searched_for_exports_of_every_compression(
    zone: LandingZone, tmp_path: Path
) -> None:
    folder = tmp_path / "exports" / "deep"
    folder.mkdir(parents=True)
    for n, name in enumerate(["a.jsonl", "b.ndjson", "c.json", "d.jsonl.gz", "e.jsonl.zst"]):
        write_jsonl(folder / name, [a_run(f"r{n}")])
    gz = folder / "d.jsonl.gz"
    gz.write_bytes(gzip.compress(gz.read_bytes()))
    for name in ("README.md", ".hidden.jsonl", "notes.txt", "manifest.json", "state.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    summary = land(zone, tmp_path / "exports")
    assert (summary.inputs, summary.runs, summary.refused) == (5, 5, 0)


def test_a_zone_below_the_given_folder_is_not_an_export(tmp_path: Path) -> None:
    """`wandb-files data` with the zone in data/raw would land what has landed, again and again."""
    write_jsonl(tmp_path / "runs.jsonl", [a_run()])
    zone = LandingZone(tmp_path / "data" / "raw")
    for _ in range(2):
        summary = land(zone, tmp_path)
        assert (summary.inputs, summary.refused) == (1, 0)
    assert len(landed(zone, "runs")) == 1


def test_a_batch_knows_its_input(zone: LandingZone, tmp_path: Path) -> None:
    land(zone, write_jsonl(tmp_path / "export.jsonl", GOOD))
    (manifest,) = zone.manifests()
    assert manifest.arguments == {"command": "wandb-files", "inputs": ["export.jsonl"]}
    assert str(tmp_path) not in json.dumps(vars(manifest), default=vars)


def test_rows_without_a_time_say_where_they_stood(zone: LandingZone, tmp_path: Path) -> None:
    """Several rows of a step are told apart by nothing else."""
    rows = [a_row(1), a_row(1, timestamp=None), a_row(1, timestamp=None)]
    land(zone, write_jsonl(tmp_path / "rows.jsonl", rows))
    assert [row.get("input_row") for row in landed(zone, "history")] == [None, 2, 3]


# -- which project --------------------------------------------------------------------------------


def test_entity_and_project_can_be_given_for_records_that_lack_them(
    zone: LandingZone, tmp_path: Path
) -> None:
    nameless = {k: v for k, v in a_run("r1").items() if k not in ("entity", "project")}
    export = write_jsonl(tmp_path / "export.jsonl", [nameless, a_run("r2"), a_row(1, "r1")])
    result = cli("wandb-files", export, "--entity", "me", "--project", "mine", "--raw-dir",
                 zone.root)  # fmt: skip
    assert result.returncode == 0
    found = {run["run_id"]: (run["entity"], run["project"]) for run in landed(zone, "runs")}
    assert found == {"r1": ("me", "mine"), "r2": (ENTITY, PROJECT)}
    (manifest,) = zone.manifests()
    assert {(e.entity, e.project) for e in manifest.files if e.kind == "history"} == {
        ("me", "mine")
    }


def test_the_same_file_for_another_project_is_another_input(
    zone: LandingZone, tmp_path: Path
) -> None:
    export = write_jsonl(tmp_path / "h.jsonl", [a_row()])
    for project in ("p1", "p2", "p2"):
        land(zone, export, entity="e", project=project)
    assert len(landed(zone, "history")) == 2


def dr_wandb_3(folder: Path, **manifest: Any) -> Path:
    """An export folder of dr_wandb 3.x."""
    folder.mkdir()
    run = {k: v for k, v in a_run("r1").items() if k not in ("entity", "project", "run_name")}
    run |= {"name": "r1", "display_name": "r1", "summary_metrics": run.pop("summary")}
    write_jsonl(folder / "runs.jsonl", [{"run": run, "exported_at": "2025-10-01T10:00:00Z"}])
    write_jsonl(folder / "history.jsonl", [a_row(1, "r1", wandb_metadata={}, extra={"_x": 1})])
    described = {"schema_version": 1, "name": "x", "entity": "me", "project": "mine",
                 "updated_at": "2025-10-01T12:00:00Z", "run_count": 1} | manifest  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(described), encoding="utf-8")
    (folder / "state.json").write_text('{"schema_version": 1, "runs": {}}', encoding="utf-8")
    return folder


def test_the_manifest_of_a_dr_wandb_3_export_says_what_it_is_of(
    zone: LandingZone, tmp_path: Path
) -> None:
    summary = land(zone, dr_wandb_3(tmp_path / "ft"))
    assert (summary.inputs, summary.runs, summary.history_rows, summary.refused) == (2, 1, 1, 0)
    (run,) = landed(zone, "runs")
    assert (run["entity"], run["project"]) == ("me", "mine")
    assert run["exported_at"] == "2025-10-01T10:00:00Z"  # the record's own time is more exact
    assert (run["summary"], run["display_name"]) == ({"train_loss": 1.2902}, "r1")
    for manifest in zone.manifests():
        assert manifest.exported_at == "2025-10-01T12:00:00Z"
        assert {(entry.entity, entry.project) for entry in manifest.files} == {("me", "mine")}
    assert landed(zone, "history")[0]["metrics"] == {"note": "step 1", "_x": 1}


def test_a_single_file_of_a_dr_wandb_3_export_is_of_the_same_project(
    zone: LandingZone, tmp_path: Path
) -> None:
    land(zone, dr_wandb_3(tmp_path / "ft") / "runs.jsonl")
    assert landed(zone, "runs")[0]["project"] == "mine"


@pytest.mark.parametrize("broken", [{"entity": 5}, {"project": ["x"]}, {"updated_at": 1}])
def test_an_export_manifest_with_other_types_is_not_believed(
    zone: LandingZone, tmp_path: Path, broken: dict[str, Any]
) -> None:
    """Any tool may leave a manifest.json in a folder."""
    folder = dr_wandb_3(tmp_path / "ft", **broken)
    write_jsonl(folder / "runs.jsonl", [a_run()])
    assert land(zone, folder).refused == 0
    assert len(landed(zone, "runs")) == len(landed(zone, "history")) == 1


@pytest.mark.parametrize("content", ["", "[]", "{", "5", '{"name": "a web page"}'])
def test_a_foreign_manifest_beside_an_export_does_not_matter(
    zone: LandingZone, tmp_path: Path, content: str
) -> None:
    folder = dr_wandb_3(tmp_path / "ft")
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    write_jsonl(folder / "runs.jsonl", [a_run()])
    assert land(zone, folder).refused == 0


# -- bad inputs -----------------------------------------------------------------------------------

# What the file holds, the reason that is recorded, the line that the message names, a piece of
# the message. GOOD stands around the bad part, and must land in full.
BROKEN: dict[str, tuple[list[Any], str, int | None, str]] = {
    "malformed line": ([*GOOD[:2], '{"run_id": "x", ', *GOOD[2:]], "malformed_line", 3, "not JSON"),
    "not UTF-8": ([*GOOD, "LATIN"], "malformed_line", 5, "not JSON"),
    "unknown shape": ([*GOOD, {"a": 1}], "unknown_shape", 5, "neither a run nor a history row"),
    "array with one bad element": (
        [[GOOD[0], 5, *GOOD[1:]]], "unknown_shape", 1, "neither a run nor a history row",
    ),
    "run without a project": (
        [{"run_id": "x", "state": "failed"}, *GOOD], "no_project", 1, "--entity and --project",
    ),
    "run without an entity": ([*GOOD, a_run("x", entity=None)], "no_project", 5, "entity"),
    "entity that is no text": ([*GOOD, a_run("x", entity=5)], "no_project", 5, "entity"),
    "broken payload": ([*GOOD, a_run("x", config='{"a":')], "broken_payload", 5, "config"),
    "payload of another type": ([*GOOD, a_run("x", summary=[1])], "broken_payload", 5, "summary"),
    "broken metrics": ([*GOOD, a_row(3, "r1", metrics="{")], "broken_payload", 5, "metrics"),
    "run without an id": ([*GOOD, a_run(None)], "no_run_id", 5, "run_id"),  # type: ignore[arg-type]
    "list with a bad row": (
        [GOOD[0], {"run_id": "r1", "history": [GOOD[1], None, GOOD[2]]}, GOOD[3]],
        "unknown_shape", 2, "neither a run nor a history row",
    ),
    "nested deeper than can be read": (
        [*GOOD, "[" * 100_000 + "]" * 100_000], "malformed_line", 5, "not JSON",
    ),
    "nested deeper than can be cleaned": (
        [*GOOD, a_run("x", config={"a": 0}) | {"config": "NESTED"}], "too_deep", 5, "nested",
    ),
    "number of 5000 digits": ([*GOOD, '{"x": ' + "1" * 5000 + "}"], "malformed_line", 5, "JSON"),
}  # fmt: skip


def write_broken(path: Path, documents: list[Any]) -> Path:
    write_jsonl(path, documents)
    content = path.read_bytes().replace(b"LATIN", b'{"run_id": "\xfc"}')
    content = content.replace(b'"NESTED"', b'{"a":' * 600 + b"1" + b"}" * 600)
    path.write_bytes(content)
    return path


def check_refused(
    zone: LandingZone, result: Any, reason: str, line: int | None, piece: str, name: str
) -> None:
    """Told on stderr with file and line, recorded as an outcome, exit code 1."""
    assert result.returncode == 1
    (message,) = (text for text in result.stderr.splitlines() if text.startswith("refused: "))
    assert piece in message
    assert name in message
    assert (f"line {line}" in message) == (line is not None)
    assert "Traceback" not in result.stderr
    assert summary_of(result)["refused"] == 1
    (refused,) = (o for o in landed(zone, "outcomes") if o["status"] == "refused")
    assert (refused["reason"], refused.get("line")) == (reason, line)
    assert piece in refused["message"]
    assert refused["item"] == name
    (manifest,) = (m for m in zone.manifests() if m.n_refused)
    assert manifest.refusals == [refused]


@pytest.mark.parametrize("case", BROKEN)
def test_a_bad_record_is_refused_and_the_rest_lands(
    zone: LandingZone, tmp_path: Path, case: str
) -> None:
    documents, reason, line, piece = BROKEN[case]
    export = write_broken(tmp_path / "export.jsonl", documents)
    good = LandingZone(tmp_path / "good")
    land(good, write_jsonl(tmp_path / "good.jsonl", GOOD))

    result = cli("wandb-files", export, "--raw-dir", zone.root)

    check_refused(zone, result, reason, line, piece, "export.jsonl")
    check_zone(zone)
    for kind in ("runs", "history"):
        records = [{k: v for k, v in r.items() if k != "line"} for r in landed(zone, kind)]
        expected = [{k: v for k, v in r.items() if k != "line"} for r in landed(good, kind)]
        assert multiset(records) == multiset(expected)


def test_a_truncated_last_line_is_told_from_a_malformed_one(
    zone: LandingZone, tmp_path: Path
) -> None:
    """An export that was interrupted ends so, and the remedy is another one."""
    export = write_jsonl(tmp_path / "export.jsonl", GOOD)
    export.write_bytes(export.read_bytes()[:-20])
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    check_refused(zone, result, "truncated_line", 4, "cut off", "export.jsonl")
    assert [run["run_id"] for run in landed(zone, "runs")] == ["r1"]
    assert len(landed(zone, "history")) == 2


def test_a_truncated_gzip_file(zone: LandingZone, tmp_path: Path) -> None:
    export = tmp_path / "export.jsonl.gz"
    packed = gzip.compress(b"".join(json.dumps(a_row(n)).encode() + b"\n" for n in range(5_000)))
    export.write_bytes(packed[:-1_000])
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    check_refused(zone, result, "truncated_compression", None, "gzip", "export.jsonl.gz")
    rows = landed(zone, "history")
    assert len(rows) > 4_000
    assert [row["step"] for row in rows] == list(range(len(rows)))


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", gzip.compress(b"")], ids=["nothing", "blank lines", "gzip"]
)
def test_an_empty_file(zone: LandingZone, tmp_path: Path, content: bytes) -> None:
    export = tmp_path / "export.jsonl"
    export.write_bytes(content)
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    check_refused(zone, result, "empty", None, "is empty", "export.jsonl")


def test_a_file_cut_before_its_first_line_is_not_called_empty(
    zone: LandingZone, tmp_path: Path
) -> None:
    export = tmp_path / "export.jsonl"
    export.write_bytes(gzip.compress(b"{}\n")[:12])
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    check_refused(zone, result, "truncated_compression", None, "gzip", "export.jsonl")


def test_a_missing_path_and_a_folder_without_exports(zone: LandingZone, tmp_path: Path) -> None:
    good = write_jsonl(tmp_path / "good.jsonl", GOOD)
    result = cli("wandb-files", tmp_path / "absent.jsonl", good, "--raw-dir", zone.root)
    check_refused(zone, result, "missing", None, "does not exist", "absent.jsonl")
    assert str(tmp_path / "absent.jsonl") in result.stderr  # on the terminal the whole path helps
    assert len(landed(zone, "runs")) == 2

    other = LandingZone(tmp_path / "other")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "README.md").write_text("no export", encoding="utf-8")
    result = cli("wandb-files", folder, "--raw-dir", other.root)
    check_refused(other, result, "no_export", None, "*.jsonl", "folder")


def test_the_current_folder_without_exports_has_a_name(
    zone: LandingZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wandb-files .` once took every full stop out of the recorded message."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (message,) = land(zone, Path()).messages
    assert "*.jsonl" in message
    (outcome,) = landed(zone, "outcomes")
    assert outcome["item"] == "."
    assert outcome["message"].startswith(".: holds no export: expected *.jsonl, *.json")


def test_a_file_that_cannot_be_read_does_not_keep_the_others_from_landing(
    zone: LandingZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = write_jsonl(tmp_path / "closed.jsonl", GOOD)
    good = write_jsonl(tmp_path / "good.jsonl", [a_run("r3")])
    sha256 = wandb_files.file_sha256

    def denied(path: Path) -> str:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return sha256(path)

    monkeypatch.setattr(wandb_files, "file_sha256", denied)
    summary = land(zone, closed, good)
    assert (summary.inputs, summary.runs, summary.refused) == (2, 1, 1)
    assert "closed.jsonl" in summary.messages[0] and "Permission denied" in summary.messages[0]
    outcome = next(o for o in landed(zone, "outcomes") if o["status"] == "refused")
    assert outcome["reason"] == "unreadable"
    assert str(tmp_path) not in json.dumps(outcome)


@pytest.mark.parametrize("damage", ["cut", "garbage", "magic only"])
def test_broken_parquet(zone: LandingZone, tmp_path: Path, damage: str) -> None:
    export = tmp_path / "runs.parquet"
    duckdb.sql(f"copy (select 'r' as run_id, 'finished' as state) to '{export}'")
    content = export.read_bytes()
    export.write_bytes(
        {"cut": content[: len(content) // 2], "magic only": b"PAR1",
         "garbage": content[:4] + b"\xff" * 200 + content[-8:]}[damage]
    )  # fmt: skip
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    check_refused(zone, result, "broken_parquet", None, "Parquet", "runs.parquet")
    assert str(tmp_path) not in json.dumps(landed(zone, "outcomes"))


def test_the_same_bad_input_again_lands_nothing_and_is_still_a_failure(
    zone: LandingZone, tmp_path: Path
) -> None:
    """Exit code 0 means that everything asked for has landed; a second call does not mend it."""
    export = write_jsonl(tmp_path / "export.jsonl", [*GOOD, "{"])
    first = cli("wandb-files", export, "--raw-dir", zone.root)
    before = files_of(zone)
    second = cli("wandb-files", export, "--raw-dir", zone.root)
    assert (first.returncode, second.returncode) == (1, 1)
    told = [
        [line for line in call.stderr.splitlines() if line.startswith("refused: ")]
        for call in (first, second)
    ]
    assert told[0] == told[1] != []
    # The second call landed nothing, and says so; what was refused is still missing.
    nothing_new = {"already_landed": 1, "runs": 0, "history_rows": 0, "unknown_project_rows": 0}
    assert summary_of(second) == summary_of(first) | nothing_new
    assert files_of(zone) == before


def test_a_good_input_lands_after_bad_ones(zone: LandingZone, tmp_path: Path) -> None:
    bad = write_jsonl(tmp_path / "bad.jsonl", ["{", "{", "{"])
    good = write_jsonl(tmp_path / "good.jsonl", GOOD)
    summary = land(zone, bad, tmp_path / "absent", good)
    assert (summary.inputs, summary.runs, summary.history_rows, summary.refused) == (3, 2, 2, 2)
    assert {message.split(":")[0] for message in summary.messages} == {
        str(tmp_path / "absent"), "bad.jsonl",
    }  # fmt: skip


# -- Parquet --------------------------------------------------------------------------------------

PARQUET_RUNS = [
    {
        "run_id": f"r{n}", "run_name": f"r{n}", "state": "finished", "project": PROJECT,
        "entity": ENTITY, "created_at": "2025-09-13T00:30:23Z",
        "config": {"learning_rate": 5e-06, "seed": n, "compute": 168631869269606400000},
        "summary": {"train_loss": 1.25, "oe_eval_metrics/boolq/acc_raw": 0.5},
        "wandb_metadata": {"gpu_count": 2, "args": ["--seed", "8"]},
        "system_metrics": {"system.cpu": 12.5},
        "system_attrs": {"tags": ["finetune"], "historyLineCount": 3},
        "sweep_info": {"sweep_id": "s"},
    }
    for n in range(3)
]  # fmt: skip
PAYLOADS = ("config", "summary", "wandb_metadata", "system_metrics", "system_attrs", "sweep_info")
HISTORY = [a_row(step, f"r{n}") for n in range(2) for step in (100, 200)]


def copy_to(path: Path, query: str, source: Path) -> None:
    rows = f"read_json('{source}', timestampformat = 'text')"
    duckdb.sql(f"copy ({query.format(source=rows)}) to '{path}'")


def as_json_text(folder: Path, source: Path) -> None:
    """dr_wandb 0.1: one file per payload, as one column of JSON text."""
    for name in PAYLOADS:
        others = ", ".join(other for other in PAYLOADS if other != name)
        copy_to(
            folder / f"wandb_runs_{name}.parquet",
            f"select * exclude ({others}) replace ({name}::json::varchar as {name})"
            " from {source}",
            source,
        )


def as_columns(folder: Path, source: Path) -> None:
    """dr_wandb 0.2: one file per payload, spread over columns."""
    for name in PAYLOADS:
        identity = "run_id, entity, project, run_name, state, created_at"
        copy_to(
            folder / f"export_runs_{name}.parquet",
            f"select {identity}, unnest({name}) from {{source}}",
            source,
        )


def as_one_file(folder: Path, source: Path) -> None:
    texts = ", ".join(f"{name}::json::varchar as {name}" for name in PAYLOADS)
    copy_to(folder / "runs.parquet", f"select * replace ({texts}) from {{source}}", source)


def as_structs(folder: Path, source: Path) -> None:
    copy_to(folder / "runs.parquet", "select * from {source}", source)


def content_of(zone: LandingZone, kind: str) -> Any:
    ignored = {"line", "recorded_at", "content_sha256"}
    return multiset(
        {key: value for key, value in record.items() if key not in ignored}
        for record in landed(zone, kind)
    )


@pytest.mark.parametrize("write", [as_json_text, as_columns, as_one_file, as_structs])
def test_parquet_lands_as_the_same_runs_as_json_lines(
    zone: LandingZone, tmp_path: Path, write: Callable[[Path, Path], None]
) -> None:
    # An integer that DuckDB's JSON reader infers exactly; larger ones are text in real files.
    runs = [run | {"config": run["config"] | {"compute": 2**62}} for run in PARQUET_RUNS]
    source = write_jsonl(tmp_path / "runs.jsonl", runs)
    folder = tmp_path / "exports" / "lr=5e-06"  # not to be read as a Hive partition
    folder.mkdir(parents=True)
    write(folder, source)
    expected = LandingZone(tmp_path / "expected")
    land(expected, source)

    summary = land(zone, folder)

    assert (summary.inputs, summary.runs, summary.refused) == (1, 3, 0)
    assert content_of(zone, "runs") == content_of(expected, "runs")


def test_json_text_in_parquet_keeps_its_numbers(zone: LandingZone, tmp_path: Path) -> None:
    config = '{"compute": 168631869269606400001, "nan": NaN}'
    path = tmp_path / "runs.parquet"
    duckdb.sql(f"copy (select 'r' as run_id, 'e' as entity, 'p' as project, '{config}' as config)"
               f" to '{path}'")  # fmt: skip
    land(zone, path)
    assert landed(zone, "runs")[0]["config"]["compute"] == 168631869269606400001


@pytest.mark.parametrize("write", [as_json_text, as_columns])
def test_component_files_given_one_by_one_still_belong_together(
    zone: LandingZone, tmp_path: Path, write: Callable[[Path, Path], None]
) -> None:
    """`wandb-files export/*.parquet`: each alone would be a run with a single payload, and the
    last one would hide the others."""
    source = write_jsonl(tmp_path / "runs.jsonl", PARQUET_RUNS[:1])
    folder = tmp_path / "exports"
    folder.mkdir()
    write(folder, source)
    summary = land(zone, *sorted(folder.iterdir()))
    assert (summary.runs, summary.refused) == (1, 0)
    (run,) = landed(zone, "runs")
    assert set(PAYLOADS) <= run.keys()
    before = files_of(zone)
    land(zone, folder)
    assert files_of(zone) == before


def test_a_component_of_one_run_may_be_missing(zone: LandingZone, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    identity = f"'{ENTITY}' as entity, '{PROJECT}' as project, n::varchar as run_id"
    for name, count in (("config", 3), ("summary", 2)):
        duckdb.sql(
            f"copy (select {identity}, '{{\"x\": 1}}' as {name} from range({count}) as r(n))"
            f" to '{folder}/runs_{name}.parquet'"
        )
    duckdb.sql(f"copy (select 1 as n, '{{}}' as config) to '{folder}/runs_sweep_info.parquet'")
    summary = land(zone, folder)
    assert (summary.runs, summary.refused) == (3, 1)
    assert summary.messages[0].count("runs_sweep_info.parquet") == 1
    found = {run["run_id"]: "summary" in run for run in landed(zone, "runs")}
    assert found == {"0": True, "1": True, "2": False}


def test_a_lone_component_is_refused(zone: LandingZone, tmp_path: Path) -> None:
    """Landed alone it would be the newest snapshot of its runs, and lack everything else."""
    path = tmp_path / "runs_config.parquet"
    duckdb.sql(
        f"copy (select '{ENTITY}' as entity, '{PROJECT}' as project, 'r' as run_id,"
        f" '{{}}' as config) to '{path}'"
    )
    summary = land(zone, path)
    assert (summary.runs, summary.refused) == (0, 1)
    assert "runs_config.parquet" in summary.messages[0]
    assert "all parts in one call" in summary.messages[0]


HISTORY_QUERIES = {
    "nested": "select * from {source}",
    "metrics as JSON text": "select * replace (metrics::json::varchar as metrics) from {source}",
    "flattened": "select * exclude (metrics), unnest(metrics) from {source}",
    "steps as doubles": "select * replace (step::double as step) from {source}",
    "one row per run": "select run_id, list(struct_pack(_step := step, _timestamp := timestamp,"
    " train_loss := metrics.train_loss, note := metrics.note)) as history from {source}"
    " group by run_id",
}


@pytest.mark.parametrize("shape", HISTORY_QUERIES)
def test_parquet_history_lands_as_the_same_rows_as_json_lines(
    zone: LandingZone, tmp_path: Path, shape: str
) -> None:
    source = write_jsonl(tmp_path / "history.jsonl", HISTORY)
    copy_to(tmp_path / "history.parquet", HISTORY_QUERIES[shape], source)
    expected = LandingZone(tmp_path / "expected")
    land(expected, source)
    summary = land(zone, tmp_path / "history.parquet")
    assert (summary.history_rows, summary.refused) == (4, 0)
    assert content_of(zone, "history") == content_of(expected, "history")


# -- one zone, one key ----------------------------------------------------------------------------


def test_another_key_on_the_same_zone_is_refused(zone: LandingZone, tmp_path: Path) -> None:
    """The same person would get two pseudonyms."""
    export = write_jsonl(tmp_path / "export.jsonl", GOOD)
    land(zone, export)
    before = files_of(zone)
    for key in ("another key, also long enough", None):
        with pytest.raises(UsageError, match="another pseudonym key"):
            land(zone, export, key=key)
    assert files_of(zone) == before


# -- real records ---------------------------------------------------------------------------------


def test_the_real_records_land_in_full(zone: LandingZone, shared_data: Path) -> None:
    exports = [shared_data / "wandb" / name for name in ("runs.jsonl", "history.jsonl")]
    summary = land(zone, *exports)
    assert (summary.inputs, summary.runs, summary.history_rows, summary.refused) == (2, 4, 2262, 0)
    check_zone(zone)
    rows: dict[str, int] = {}
    for row in landed(zone, "history"):
        rows[row["run_id"]] = rows.get(row["run_id"], 0) + 1
    assert sorted(rows.values()) == [10, 146, 2106]
    assert rows[RUN_ID] == 10
    lengths = sorted(len(run["config"]) for run in landed(zone, "runs"))
    assert lengths == [493, 499, 545, 546]
