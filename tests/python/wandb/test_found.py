"""A folder's files are accounted for: each is read, refused, or counted as no export, by name."""

from __future__ import annotations

import bz2
import gzip
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from extract.landing.zone import LandingZone
from extract.wandb.found import ExportInput, NotAnExport, ending, find_inputs
from tests.python.testing import a_row, a_run, cli, land, landed, summary_of, write_jsonl

CSV = b"_step,_timestamp,loss\n0,1.7e9,1\n1,1.7e9,2\n"
TSV = b"run_id\t_step\tloss\nr\t0\t1\nr\t1\t2\n"
LINES = json.dumps(a_row()).encode() + b"\n"
PRETTY = json.dumps([a_row()], indent=2).encode()

DATA = {
    "a.csv": CSV, "b.TSV": TSV, "c.jsonl": LINES, "d.JSON": PRETTY, "e.csv.gz": gzip.compress(CSV),
    # Whatever they are called: tools write `.txt`, people take endings away.
    "f.txt": CSV, "g.dat": TSV, "h": LINES, "i.bak": PRETTY, "j.txt": LINES,
    "k.txt.gz": gzip.compress(CSV), "l.bz2": bz2.compress(LINES), "m.old.bz2": bz2.compress(TSV),
    # Refused, and not passed over.
    "n.feather": b"ARROW1", "o.pkl": b"\x80\x04", "p.json": b'{"vocab": {}}',
    "q.csv": b"a,b\n1,2\n",
    "r.cut.gz": gzip.compress(CSV)[:12], "s.gz": gzip.compress(b"text"), "t.json": b"",
}  # fmt: skip
NO_DATA = {
    "train.log": b'{"_step": 1}', "plot.png": b"\x89PNG\r\n\x1a\n", "train.py": b"x = 1",
    "config.yaml": b"a: 1", "README": b"what, _step it takes", "notes.txt": b"run_id and _step",
    "requirements.txt": b"numpy==1\n", "model.safetensors": b"\0" * 64, "model.pt": b"PK\x03\x04",
    "events.out.tfevents.1": b"\0\1\2", "old.txt.gz": gzip.compress(b"all well\n"),
    "train.log.1.gz": gzip.compress(b"all well\n"), ".hidden.jsonl": LINES, "empty": b"",
    "manifest.json": b"{}",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    for name, content in (DATA | NO_DATA).items():
        (folder / name).write_bytes(content)
    for name in (".git", "__pycache__", ".ipynb_checkpoints"):
        (folder / name).mkdir()
        (folder / name / "copy.jsonl").write_bytes(LINES)
    return folder


def test_every_file_of_a_folder_is_data_or_told(folder: Path) -> None:
    found = list(find_inputs([folder], None, None, folder / "raw"))
    inputs = {item.paths[0].name for item in found if isinstance(item, ExportInput)}
    told = {Path(item.name).name for item in found if isinstance(item, NotAnExport)}
    assert inputs == set(DATA)
    assert told == {*NO_DATA, "copy.jsonl"}
    assert len(found) == len(DATA) + len(NO_DATA) + 3


def test_a_folder_that_mixes_everything(zone: LandingZone, folder: Path) -> None:
    """What is no export is told by name and no failure; what is refused is told once for each."""
    result = cli("wandb-files", folder, "--raw-dir", zone.root, "--run", "e/p/r")
    summary = summary_of(result)
    assert (summary["inputs"], summary["not_exports"]) == (len(DATA), len(NO_DATA) + 3)
    refused = [line for line in result.stderr.splitlines() if line.startswith("refused: ")]
    assert result.returncode == 1
    bad = list(DATA)[13:]
    assert sorted(name for name in bad for line in refused if name in line) == bad
    assert len(refused) == len(bad)
    (note,) = (line for line in result.stderr.splitlines() if "no exports" in line)
    assert "README" in note and "more" in note
    for name in bad:
        (folder / name).unlink()
    result = cli("wandb-files", folder, "--raw-dir", zone.root, "--run", "e/p/r")
    assert (result.returncode, "refused" in result.stderr) == (0, False)


def test_copies_of_a_bad_file_are_told_by_their_own_names(
    zone: LandingZone, tmp_path: Path
) -> None:
    """They have the bytes of another, which was refused before, perhaps in another call."""
    names = ["a.jsonl", "b.csv", "deep/c.json", "d.parquet"]
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "in" / name).write_bytes(b"")
    shutil.copytree(tmp_path / "in", tmp_path / "again")
    (tmp_path / "again" / "a.jsonl").rename(tmp_path / "again" / "e.jsonl")
    for folder, expected in (("in", "abcd"), ("again", "bcde")):
        summary = land(zone, tmp_path / folder)
        assert summary.refused == 4
        assert sorted(Path(text.partition(":")[0]).name[0] for text in summary.messages) == [
            *expected
        ]


def test_rows_of_a_file_are_of_the_run_beside_it(zone: LandingZone, tmp_path: Path) -> None:
    """Two projects have a run of that id; what is landed in one call belongs together."""
    for project in ("one", "other"):
        (tmp_path / project).mkdir()
        write_jsonl(tmp_path / project / "runs.jsonl", [a_run("r", project=project)])
        rows = [{"_step": n, "_timestamp": 1.7e9, "loss": n} for n in range(2)]
        write_jsonl(tmp_path / project / "r.jsonl", rows)
    for project in ("one", "other", "one"):
        assert land(zone, tmp_path / project).unknown_project_rows == 0
    found = [
        (entry.project, entry.rows)
        for one in zone.manifests() for entry in one.files if entry.kind == "history"
    ]  # fmt: skip
    assert found == [("one", 2), ("other", 2)]


def test_links_to_folders_and_files(zone: LandingZone, tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    real = tmp_path / "real"
    for path in (exports, real):
        path.mkdir()
    write_jsonl(real / "runs.jsonl", [a_run("r")])
    write_jsonl(tmp_path / "rows.jsonl", [a_row(1, "r")])
    (exports / "linked").symlink_to(real)
    (exports / "again").symlink_to(real)
    (exports / "loop").symlink_to(exports)
    (exports / "history.jsonl").symlink_to(tmp_path / "rows.jsonl")
    (exports / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    (exports / "gone.png").symlink_to(tmp_path / "nowhere.png")
    summary = land(zone, exports)
    assert (summary.runs, summary.history_rows, summary.refused) == (1, 1, 1)
    assert "gone.csv: is a link that leads nowhere" in summary.messages[0]
    assert len(landed(zone, "runs")) == 1


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.JSONL", ".jsonl"), ("a.json.GZ", ".json"), ("a.gz", ".gz"), ("a.v2.csv.zst", ".csv"),
     ("a", ""), ("a.b.c", ".c"), ("x_1.RunHistory.Parquet", ".parquet"), ("a.tar.bz2", ".tar")],
)  # fmt: skip
def test_the_ending_that_says_a_format(name: str, kind: str) -> None:
    assert ending(Path(name)) == kind


def test_an_archive_under_any_name_is_not_passed_over(tmp_path: Path, zone: LandingZone) -> None:
    write_jsonl(tmp_path / "a.jsonl", [a_run()])
    (tmp_path / "in").mkdir()
    for name, mode in (("x.backup", "w"), ("y.tar.xz", "w:xz"), ("z.tgz", "w:gz")):
        with tarfile.open(tmp_path / "in" / name, mode) as archive:  # type: ignore[call-overload]
            archive.add(tmp_path / "a.jsonl", "a.jsonl")
    summary = land(zone, tmp_path / "in")
    assert (summary.refused, summary.not_exports) == (3, 0)
    assert all("unpack it and land the folder" in text for text in summary.messages)
