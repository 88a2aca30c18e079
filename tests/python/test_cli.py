"""The command line: help with examples, one line of JSON on stdout, and what exit codes mean."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import extract
from extract.landing.zone import LandingZone
from tests.python.testing import (
    ROOT,
    a_row,
    a_run,
    check_zone,
    cli,
    files_of,
    land,
    landed,
    summary_of,
    write_jsonl,
)

COMMANDS = ("wandb-files", "wandb", "pretrain", "instances", "posttrain", "demo", "status")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "export.jsonl", [a_run("r1"), a_row(1, "r1"), a_row(2, "r1")])


# -- help -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(command: str) -> None:
    result = cli(command, "--help")
    assert result.returncode == 0
    assert f"python -m extract {command}" in result.stdout.split("Example")[1]
    assert "--raw-dir" in result.stdout
    assert result.stderr == ""


def test_the_help_lists_every_command() -> None:
    """A command that is added must also be added to the tests here."""
    result = cli("--help")
    assert result.returncode == 0
    listed = result.stdout.split("Commands")[1]
    assert re.findall(r"^│ ([a-z-]+) ", listed, re.MULTILINE) == list(COMMANDS)


def test_help_needs_neither_key_nor_zone(tmp_path: Path) -> None:
    for command in COMMANDS:
        assert cli(command, "--help", key=None).returncode == 0
    assert list(tmp_path.iterdir()) == []


# -- summaries ------------------------------------------------------------------------------------


def test_the_summary_is_one_line_of_json_on_stdout(zone: LandingZone, export: Path) -> None:
    result = cli("wandb-files", export, "--raw-dir", zone.root)
    assert result.returncode == 0
    assert summary_of(result) == {
        "command": "wandb-files", "inputs": 1, "already_landed": 0, "runs": 1, "history_rows": 2,
        "unknown_project_rows": 2, "refused": 0, "not_exports": 0,
    }  # fmt: skip
    # Progress is for terminals; what is worth a note is not.
    (note,) = result.stderr.splitlines()
    assert note.startswith("note: 2 history rows of 1 runs name no project")


def test_the_summary_stays_one_line_when_something_is_refused(
    zone: LandingZone, export: Path, tmp_path: Path
) -> None:
    bad = write_jsonl(tmp_path / "a\nb.jsonl", ["{", "["])
    result = cli("wandb-files", bad, export, "--raw-dir", zone.root)
    assert result.returncode == 1
    assert summary_of(result)["refused"] == 1
    assert summary_of(result)["runs"] == 1


def test_status_tells_what_has_landed(zone: LandingZone, export: Path, tmp_path: Path) -> None:
    land(zone, export, write_jsonl(tmp_path / "bad.jsonl", ["{", a_run("r2")]))
    result = cli("status", "--raw-dir", zone.root, key=None)
    assert result.returncode == 0
    summary = summary_of(result)
    assert (summary["command"], summary["raw_dir"]) == ("status", str(zone.root))
    newest = max(manifest.finished_at or "" for manifest in zone.manifests())
    found = {}
    for entry in summary["sources"]:
        assert entry["source"] == "wandb"
        assert entry["refused"] == 1
        assert entry["bytes"] == sum(
            file.bytes for m in zone.manifests() for file in m.files if file.kind == entry["kind"]
        )
        found[entry["kind"]] = (entry["batches"], entry["files"], entry["rows"])
    assert found == {"runs": (2, 2, 2), "history": (1, 1, 2), "outcomes": (2, 4, 4)}
    assert max(entry["newest"] for entry in summary["sources"]) == newest
    for word in ("wandb", "history", "1 items refused"):
        assert word in result.stderr


def test_status_of_a_zone_that_does_not_exist(tmp_path: Path) -> None:
    result = cli("status", "--raw-dir", tmp_path / "absent", key=None)
    assert result.returncode == 0
    assert summary_of(result)["sources"] == []
    assert "python -m extract demo" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_status_of_refusals_only(zone: LandingZone, tmp_path: Path) -> None:
    cli("wandb-files", tmp_path / "absent", "--raw-dir", zone.root)
    (entry,) = summary_of(cli("status", "--raw-dir", zone.root))["sources"]
    assert (entry["kind"], entry["rows"], entry["refused"]) == ("outcomes", 1, 1)


# -- where ----------------------------------------------------------------------------------------


def test_the_zone_may_come_from_the_environment(tmp_path: Path, export: Path) -> None:
    zone, other = LandingZone(tmp_path / "zone"), LandingZone(tmp_path / "other")
    cli("wandb-files", export, DATADECIDE_RAW_DIR=str(zone.root))
    assert len(landed(zone, "runs")) == 1
    cli("wandb-files", export, "--raw-dir", other.root, DATADECIDE_RAW_DIR=str(zone.root))
    assert len(landed(other, "runs")) == 1
    check_zone(zone)
    check_zone(other)


# -- wrong usage ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["wandb-files"],
        ["wandb-files", "x", "--no-such-option"],
        ["wandb-files", "x", "--raw-dir"],
        ["demo", "--runs", "0"],
        ["demo", "--runs", "many"],
        ["demo", "unexpected"],
        ["status", "unexpected"],
    ],
)
def test_wrong_usage_is_told_on_stderr_with_exit_code_2(
    tmp_path: Path, arguments: list[str]
) -> None:
    zone = str(tmp_path / "raw")
    result = cli(*arguments, DATADECIDE_RAW_DIR=zone, DATADECIDE_DEMO_RAW_DIR=zone)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Error" in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "raw").exists()


def test_a_zone_that_cannot_be_written_is_an_error_without_a_traceback(
    tmp_path: Path, export: Path
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    result = cli("wandb-files", export, "--raw-dir", tmp_path / "file" / "raw")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


# -- demo -----------------------------------------------------------------------------------------


def test_the_demo_lands_once_without_key_and_is_the_same_everywhere(tmp_path: Path) -> None:
    zones = [LandingZone(tmp_path / name) for name in ("one", "two")]
    hashes = []
    for zone in zones:
        result = cli(
            "demo", "--runs", "25", "--evals-every", "999", "--raw-dir", zone.root, key=None
        )
        assert result.returncode == 0
        assert (summary_of(result)["asked"], summary_of(result)["landed"]) == (25, 25)
        check_zone(zone)
        hashes.append([run["content_sha256"] for run in landed(zone, "runs")])
        # Each history was once told anew with every run that followed: 48,000 rows for 320 runs.
        outcomes = [row for row in landed(zone, "outcomes") if row["source"] == "wandb"]
        items = [(row["item"], row["run_id"]) for row in outcomes]
        histories = {row["run_id"] for row in landed(zone, "history")}
        assert len(items) == len(set(items)) == 25 + len(histories)
    assert len(hashes[0]) == 25
    assert hashes[0] == hashes[1]

    before = files_of(zones[0])
    again = cli(
        "demo", "--runs", "25", "--evals-every", "999", "--raw-dir", zones[0].root, key=None
    )
    assert (again.returncode, summary_of(again)["landed"]) == (0, 0)
    assert summary_of(again)["pretraining_rows"] == 0
    assert files_of(zones[0]) == before


def test_the_demo_has_a_zone_of_its_own(tmp_path: Path) -> None:
    """Demo and real data never mix, not even when the zone of the real data is set."""
    real, demo = LandingZone(tmp_path / "real"), LandingZone(tmp_path / "demo")
    cli(
        "demo",
        "--runs",
        "1",
        "--evals-every",
        "999",
        "--raw-dir",
        str(demo.root),
        DATADECIDE_RAW_DIR=str(real.root),
    )
    assert not real.root.exists()
    assert len(landed(demo, "runs")) == 1


def test_the_demo_into_the_zone_of_real_data_is_refused(zone: LandingZone, export: Path) -> None:
    land(zone, export)
    before = files_of(zone)
    result = cli("demo", "--runs", "1", "--evals-every", "999", "--raw-dir", zone.root)
    assert result.returncode == 2
    assert files_of(zone) == before


# -- the project ----------------------------------------------------------------------------------


def test_no_file_of_the_extractors_names_the_machine_it_was_written_on() -> None:
    home = os.fspath(Path.home())
    for path in [*(ROOT / "extract").rglob("*.py"), *(ROOT / "tests" / "python").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert os.fspath(ROOT) not in text, path
        assert home == "/root" or home not in text, path


def test_the_version_is_the_one_of_the_project(zone: LandingZone, export: Path) -> None:
    land(zone, export)
    (manifest,) = zone.manifests()
    assert manifest.tool_version == extract.__version__
    assert f'version = "{extract.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert json.loads((zone.root / "_manifests" / "wandb" / f"{manifest.batch_id}.json").read_text(
        "utf-8"))["tool_version"] == extract.__version__  # fmt: skip
