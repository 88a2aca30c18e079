"""Of which run a history is that does not say so: an option, its file's name, its folder's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from extract.errors import FileError, UsageError
from extract.landing.layout import manifest_path
from extract.landing.zone import LandingZone
from extract.wandb.files import BYTES, to_land_again
from extract.wandb.naming import (
    RunPath,
    UndecidedRunError,
    is_client_export,
    of_client_export,
    of_file,
    run_path,
)
from extract.wandb.records import RunName
from tests.python.testing import (
    ENTITY,
    PROJECT,
    a_run,
    cli,
    land,
    landed,
    summary_of,
    write_jsonl,
)

KNOWN = {("e", "p", "abc12345"), ("e", "p", "history"), ("e", "p", "my run"), ("e", "q", "twice"),
         ("e", "p", "twice"), ("my_team", "a_b", "r_1")}  # fmt: skip
ROWS = [{"_step": n, "_timestamp": 1.7e9 + n, "loss": n} for n in range(3)]


@pytest.mark.parametrize("text", ["e/p/r", " e / p / r ", "/e/p/r/", "e/p/runs/r"])
def test_a_run_is_named_as_wandb_names_it(text: str) -> None:
    assert run_path(text) == ("e", "p", "r")


@pytest.mark.parametrize("text", ["", "r", "p/r", "e//r", "e/p/", "e/p/r/x", "e/p/jobs/r"])
def test_half_a_name_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="ENTITY/PROJECT/ID"):
        run_path(text)


def named(path: str, entity: str | None = None, project: str | None = None) -> RunName | None:
    try:
        return of_file(Path(path), entity=entity, project=project, known=lambda: KNOWN)
    except UndecidedRunError:
        return None


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("abc12345.csv", RunName("abc12345", "e", "p")),
        ("ABC/abc12345.JSONL.gz", RunName("abc12345", "e", "p")),
        ("history_abc12345.csv", RunName("abc12345", "e", "p")),
        ("wandb-export-abc12345-history.parquet", RunName("abc12345", "e", "p")),
        ("abc12345.history.csv", RunName("abc12345", "e", "p")),
        ("history.csv", RunName("history", "e", "p")),  # a run may be called so
        ("my run.csv", RunName("my run", "e", "p")),
        # Two projects have it.
        ("twice.csv", RunName("twice")),
        # A folder for each run, as people and as tools make it.
        ("abc12345/rows.csv", RunName("abc12345", "e", "p")),
        ("abc12345/part-0.parquet", RunName("abc12345", "e", "p")),
        ("t/run_id=abc12345/96c4fa9f84fb42a496c70340c660ea87-0.parquet",
         RunName("abc12345", "e", "p")),
        ("run_id=new%2Fone/part-00000-96c4fa9f-84fb-42a4-96c7-0340c660ea87-c000.snappy.parquet",
         RunName("new/one")),
        ("entity=x/project=y/run_id=z/lr=5e-06/0.parquet", RunName("z", "x", "y")),
        # A run that nobody has named yet.
        ("250912_match_150M.csv", RunName("250912_match_150M")),
        ("history-zzz99999.csv", RunName("zzz99999")),
    ],
)  # fmt: skip
def test_a_file_is_named_after_its_run(path: str, run: RunName) -> None:
    assert named(path) == run


@pytest.mark.parametrize(
    "path",
    ["rows.csv", "train_history.csv", "eval/metrics (1).csv", "data.json", "export_3.jsonl",
     "history_20250901.csv", "history-lr.csv", "other/rows.csv",
     "96c4fa9f84fb42a496c70340c660ea87-0.parquet",
     "part-00000-96c4fa9f-84fb-42a4-96c7-0340c660ea87-c000.snappy.parquet"],
)  # fmt: skip
def test_a_name_that_says_no_run(path: str) -> None:
    assert named(path) is None


def test_options_choose_between_projects() -> None:
    assert named("twice.csv", project="q") == RunName("twice", "e", "q")
    assert named("new1run2.csv", "x", "y") == RunName("new1run2", "x", "y")


def of_client(name: str, known: set[RunPath] = KNOWN, **options: str) -> RunName:
    chosen = {"entity": None, "project": None, "run": None} | options
    run = run_path(options["run"]) if "run" in options else None
    path = Path(name)
    assert is_client_export(path)
    return of_client_export(
        path, run=run, entity=chosen["entity"], project=chosen["project"], known=lambda: known
    )


def test_files_of_the_client_are_named_after_entity_project_and_run() -> None:
    assert of_client("e_p_r_0.runhistory.parquet") == RunName("r", "e", "p")
    assert of_client("E_P_R_12.RunHistory.Parquet") == RunName("R", "E", "P")
    assert of_client("my_team_a_b_r_1_0.runhistory.parquet") == RunName("r_1", "my_team", "a_b")
    given = of_client("x_y_z_w_0.runhistory.parquet", entity="x", project="y_z")
    assert given == RunName("w", "x", "y_z")
    assert of_client("x_y_z_w_0.runhistory.parquet", run="x/y/z_w") == RunName("z_w", "x", "y")
    assert not is_client_export(Path("e_p_r.parquet"))


def test_a_file_of_the_client_that_fits_several_runs_is_not_guessed() -> None:
    with pytest.raises(UndecidedRunError, match="--run"):
        of_client("x_y_z_w_0.runhistory.parquet")
    with pytest.raises(FileError, match="another run"):
        of_client("e_p_r_0.runhistory.parquet", run="e/p/other")


def test_a_folder_for_each_run(zone: LandingZone, tmp_path: Path) -> None:
    """The files are equal to the byte, and are two histories."""
    exports = tmp_path / "exports"
    exports.mkdir()
    for run_id in ("a", "b"):
        (exports / f"run_id={run_id}").mkdir()
        write_jsonl(exports / f"run_id={run_id}" / "part-0.jsonl", ROWS)
        (exports / run_id).mkdir()
        write_jsonl(exports / run_id / "history.jsonl", [*ROWS, {"_step": 9, "loss": 9}])
    write_jsonl(exports / "runs.jsonl", [a_run("a"), a_run("b")])
    for _ in range(2):
        summary = land(zone, exports)
        assert (summary.refused, summary.notes) == (0, [])
    found = [row["run_id"] for row in landed(zone, "history")]
    assert (found.count("a"), found.count("b")) == (7, 7)
    assert summary.already_landed == 5


def test_what_an_earlier_version_landed_otherwise_is_named_until_it_lands_again(
    zone: LandingZone, tmp_path: Path
) -> None:
    """Also where its bytes are known with a run now, or were refused as a whole."""
    for name, documents in {
        "runs.jsonl": [a_run("r")], "r.jsonl": ROWS, "history.jsonl": ROWS[1:], "bad.json": ["{}"],
    }.items():  # fmt: skip
        write_jsonl(tmp_path / name, documents)
    named = {"run": f"{ENTITY}/{PROJECT}/r"}
    land(zone, *(tmp_path / name for name in ("runs.jsonl", "r.jsonl", "bad.json")))
    land(zone, tmp_path / "history.jsonl", **named)
    for manifest in list(zone.manifests()):
        path = manifest_path(zone.root, "wandb", manifest.batch_id)
        content = json.loads(path.read_text())
        content["input_sha256"] = content["arguments"].pop(BYTES, manifest.input_sha256)
        content["arguments"].pop("reader")
        path.write_text(json.dumps(content))
    names = ["bad.json", "history.jsonl", "r.jsonl", "runs.jsonl"]
    assert to_land_again(zone) == names
    status = cli("status", "--raw-dir", zone.root, key=None)
    assert summary_of(status)["to_land_again"] == names
    assert "4 inputs landed with an earlier version" in status.stderr
    land(zone, tmp_path / "history.jsonl", **named)
    assert to_land_again(zone) == ["bad.json", "r.jsonl", "runs.jsonl"]
    land(zone, tmp_path)
    assert to_land_again(zone) == []


@pytest.mark.parametrize("column", ["run", "run_name", "id", "name", "Run ID", "run.id"])
def test_a_table_of_several_runs_is_not_that_of_its_name(
    zone: LandingZone, tmp_path: Path, column: str
) -> None:
    """`ft-scaling.csv` with the runs' names in a column was once the history of one, ft-scaling."""
    rows = [{column: f"run {n % 2}", **row} for n, row in enumerate(ROWS)]
    path = write_jsonl(tmp_path / "ft-scaling.jsonl", rows)
    summary = land(zone, path)
    assert (summary.history_rows, summary.refused) == (0, 1)
    assert f"call that column run_id: {column}" in summary.messages[0]
    # A run of that name, or the option, says that it is a metric.
    assert land(zone, path, run="e/p/r").history_rows == 3
    land(zone, write_jsonl(tmp_path / "runs.jsonl", [a_run("ft-scaling")]))
    assert land(zone, path).history_rows == 3


def test_a_run_that_only_a_name_says_is_told(zone: LandingZone, tmp_path: Path) -> None:
    same = [{"run": "the same", **row} for row in ROWS]
    summary = land(zone, write_jsonl(tmp_path / "pythia-70m.jsonl", same))
    assert (summary.history_rows, summary.refused) == (3, 0)
    assert "pythia-70m.jsonl" in summary.notes[0] and "--run" in summary.notes[0]
