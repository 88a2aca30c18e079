"""Offline runs: what the real client writes lands in full, and of a damaged file what is whole."""

from __future__ import annotations

import json
import math
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract.landing.layout import manifest_path
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.wandb import log as wandb_log
from tests.python.testing import (
    ROOT,
    a_run,
    check_zone,
    cli,
    environment,
    everything_written,
    files_of,
    land,
    landed,
    leaves,
    peak_memory,
    summary_of,
    write_jsonl,
)
from tests.python.wandb.offline_testing import (
    BLOCK,
    FIRST,
    FULL,
    HEADER,
    LAST,
    MIDDLE,
    PERSON,
    STARTED_AT,
    STARTED_S,
    a_log,
    a_record,
    as_log,
    chunk,
    exit_record,
    items,
    log_of,
    row_record,
    run_client,
    run_record,
    write_log,
)

RUN_ID = "2025_08_30-16_54_48_test_DD-dolma1_7-4M_Ft_--learning_rate=5e-05"
BIG = 168631869269606400001  # no float

# Everything at once: each line is something that a reader has got wrong, or could.
FINISHED = f"""
run = wandb.init(
    entity="ml-moe", project="ft-scaling", id="{RUN_ID}", name="at first", group="warm",
    job_type="finetune", tags=["finetune", "4M"], notes="ask asimov@example.org",
    config={{
        "learning_rate": 5e-5, "pretrain_compute": {BIG}, "nan": float("nan"),
        "inf": float("inf"), "nested": {{"a": {{"b": {BIG}}}}}, "list": [1, None, "x"],
        "output_dir": "/home/asimov/out", "a.b": 1, "a/b": 2, "": 3,
    }},
)
run.define_metric("eval_loss", summary="min")
for step in range(5):
    run.log({{
        "train_loss": 1 / (step + 1), "learning_rate": 1e-5, "total_tokens": 2**53 + 1 + step,
        "eval_loss": step, "nan": float("nan"), "inf": float("-inf"), "integral": 3.0,
        "a/b": step, "a.b": step, "deep": {{"x": {{"y": step}}, "z/w": "text"}}, "none": None,
        "step": step * 2, "timestamp": "noon", "metrics": {{"q": 1}}, "extra": [1],
        "project": "P", "entity": "E", "run_id": "R", "runtime": 7, "true": True,
    }})
run.log({{"only": "later"}}, step=20)
run.log({{
    "histogram": wandb.Histogram(np_histogram=([1, 2], [0, 1, 2])),
    "table": wandb.Table(columns=["a"], data=[[1]]),
    "page": wandb.Html("<p>"),
}}, step=30)
run.config.update({{"learning_rate": 1e-4, "nested": {{"c": 1}}}}, allow_val_change=True)
run.config["later"] = {{"x": [1, 2]}}
run.summary["best"] = {BIG}
run.summary["deep"] = {{"a": {{"b": 1}}}}
run.summary["deep"]["a"]["c"] = 2
run.summary["gone"] = 1
del run.summary["gone"]
run.summary.update({{"oe_eval_metrics/boolq": {{"acc_raw": 0.5}}, "inf": float("inf")}})
run.tags += ("late",)
run.notes = "see /home/asimov/notes.md"
run.name = "at last"
run.finish()
"""
# A process that is killed leaves what the client has written by then.
KILLED = """
run = wandb.init(entity="ml-moe", project="ft-scaling", id="killed", config={"seed": 8})
for step in range(5):
    run.log({"train_loss": step})
run.log({"train_loss": 9})  # the last row is written with the next one
time.sleep(1.5)
os.kill(os.getpid(), signal.SIGKILL)
"""
# The others end in their own ways, in one process to save time.
ENDINGS = """
for name in ("failed", "nameless"):
    of = {"entity": "ml-moe", "project": "ft-scaling"} if name == "failed" else {}
    run = wandb.init(id=name, **of)
    run.log({"train_loss": 1})
    run.finish(exit_code=3 if name == "failed" else 0)
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    arguments = ("--seed", "8", "--output_dir", "/home/asimov/out")
    return run_client(tmp_path_factory.mktemp("finished"), FINISHED, *arguments)


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_client(tmp_path_factory.mktemp("killed"), KILLED, code=-9)


@pytest.fixture(scope="session")
def endings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_client(tmp_path_factory.mktemp("endings"), ENDINGS)


def the_run(zone: LandingZone) -> dict[str, Any]:
    (run,) = landed(zone, "runs")
    return run


def steps(zone: LandingZone) -> list[int]:
    return [row["step"] for row in landed(zone, "history")]


def land_log(zone: LandingZone, path: Path, payloads: list[bytes], **options: Any) -> Any:
    return land(zone, write_log(path / "run-r.wandb", payloads), **options)


# -- what the client writes -----------------------------------------------------------------------


def test_a_finished_run_lands_in_full(zone: LandingZone, finished: Path) -> None:
    summary = land(zone, finished, key=None)
    assert (summary.inputs, summary.runs, summary.history_rows, summary.refused) == (1, 1, 7, 0)
    check_zone(zone)
    run = the_run(zone)
    assert {
        key: run[key]
        for key in ("entity", "project", "run_id", "display_name", "state", "group", "job_type",
                    "tags", "notes", "commit", "history_line_count")
    } == {
        "entity": "ml-moe", "project": "ft-scaling", "run_id": RUN_ID, "display_name": "at last",
        "state": "finished", "group": "warm", "job_type": "finetune",
        "tags": ["finetune", "4M", "late"], "notes": "see /home/asimov/notes.md",
        "commit": PERSON["WANDB_GIT_COMMIT"], "history_line_count": 7,
    }  # fmt: skip
    assert run["created_at"].endswith("Z") and run["heartbeat_at"].endswith("Z")
    assert run["created_at"] < run["heartbeat_at"]
    assert "is_incomplete" not in run["extra"]


def test_the_config_is_that_of_the_last_change(zone: LandingZone, finished: Path) -> None:
    """A new name, note or tag repeats the whole config, with its integers as floats."""
    land(zone, finished, key=None)
    config = the_run(zone)["config"]
    assert config == {
        "learning_rate": 1e-4, "pretrain_compute": BIG, "nan": None, "inf": math.inf,
        "nested": {"c": 1}, "list": [1, None, "x"], "output_dir": "/home/asimov/out",
        "a.b": 1, "a/b": 2, "": 3, "later": {"x": [1, 2]},
    }  # fmt: skip
    assert type(config["pretrain_compute"]) is int


def test_the_summary_is_that_of_the_last_change(zone: LandingZone, finished: Path) -> None:
    land(zone, finished, key=None)
    summary = the_run(zone)["summary"]
    expected = {
        "train_loss": 0.2, "total_tokens": 2**53 + 5, "a/b": 4, "best": BIG, "only": "later",
        "deep": {"a": {"b": 1, "c": 2}}, "inf": math.inf, "_step": 30,
        "oe_eval_metrics/boolq": {"acc_raw": 0.5}, "eval_loss": {"min": 0},
    }  # fmt: skip
    assert {key: summary[key] for key in expected} == expected
    assert "gone" not in summary
    assert math.isnan(summary["nan"])
    assert summary["histogram"]["_type"] == "histogram"


def test_history_is_as_logged(zone: LandingZone, finished: Path) -> None:
    """Metrics that are called as the fields of a row are included."""
    land(zone, finished, key=None)
    assert steps(zone) == [0, 1, 2, 3, 4, 20, 30]
    for row in landed(zone, "history")[:5]:
        step, metrics = row["step"], row["metrics"]
        assert set(row) == {"run_id", "session", "step", "timestamp", "runtime", "train_loss",
                            "learning_rate", "metrics"}  # fmt: skip
        assert row["session"] == the_run(zone)["session"] == the_run(zone)["created_at"]
        assert (row["run_id"], row["train_loss"]) == (RUN_ID, 1 / (step + 1))
        assert math.isnan(metrics.pop("nan"))
        assert metrics == {
            "total_tokens": 2**53 + 1 + step, "eval_loss": step, "inf": -math.inf, "integral": 3,
            "a/b": step, "a.b": step, "deep": {"x": {"y": step}, "z/w": "text"},
            "step": step * 2, "timestamp": "noon", "metrics": {"q": 1}, "extra": [1],
            "project": "P", "entity": "E", "run_id": "R", "runtime": 7, "true": True,
        }  # fmt: skip
    media = landed(zone, "history")[-1]["metrics"]
    assert media["histogram"] == {"_type": "histogram", "values": [1, 2], "bins": [0, 1, 2]}
    assert media["table"]["_type"] == "table-file"
    assert media["page"]["path"].startswith("media/html/page_")
    (manifest,) = zone.manifests()
    assert {(entry.entity, entry.project) for entry in manifest.files} == {("ml-moe", "ft-scaling")}


def test_the_machine_is_known_by_the_names_of_wandb_metadata(
    zone: LandingZone, finished: Path
) -> None:
    land(zone, finished, key=None)
    run = the_run(zone)
    metadata = run["wandb_metadata"]
    assert metadata["args"] == ["--seed", "8", "--output_dir", "/home/asimov/out"]
    assert metadata["git"] == {
        "remote": PERSON["WANDB_GIT_REMOTE_URL"], "commit": PERSON["WANDB_GIT_COMMIT"],
    }  # fmt: skip
    assert (metadata["username"], metadata["email"], metadata["host"]) == (
        "asimov", "asimov@example.org", "robot7.example.org",
    )  # fmt: skip
    assert metadata.keys() >= {
        "startedAt", "codePath", "codePathLocal", "cpu_count", "cpu_count_logical", "disk",
        "executable", "memory", "os", "program", "python", "root",
    }  # fmt: skip
    assert all(key.startswith("system.") for key in run["system_metrics"])
    assert "system.memory_percent" in run["system_metrics"]


def test_nothing_personal_lands(zone: LandingZone, finished: Path, killed: Path) -> None:
    land(zone, finished, killed)
    written = everything_written(zone)
    assert len(landed(zone, "runs")) == 2
    for clear in ("asimov", "robot7", "@example", "/home/", "notes.md", str(finished.parent)):
        assert clear not in written
    assert PERSON["WANDB_GIT_COMMIT"] in written


def test_without_a_key_nothing_lands(zone: LandingZone, finished: Path) -> None:
    result = cli("wandb-files", finished, "--raw-dir", zone.root, key=None)
    assert result.returncode == 2
    assert files_of(zone) == {}


def test_a_killed_run_lands_up_to_its_end(zone: LandingZone, killed: Path) -> None:
    """That a run was killed is no fault of its file: nothing is refused."""
    result = cli("wandb-files", killed, "--raw-dir", zone.root)
    assert (result.returncode, result.stderr) == (0, "")
    run = the_run(zone)
    assert (run["state"], run["config"], run["extra"]["is_incomplete"]) == (
        "crashed", {"seed": 8}, True,
    )  # fmt: skip
    assert steps(zone) == list(range(run["history_line_count"]))
    assert run["history_line_count"] >= 5
    assert run["summary"]["train_loss"] >= 4


def test_a_failed_run(zone: LandingZone, endings: Path) -> None:
    land(zone, *endings.glob("*-failed"))
    run = the_run(zone)
    assert (run["state"], run["extra"]["exit_code"]) == ("failed", 3)
    assert "is_incomplete" not in run["extra"]


def test_a_run_without_an_entity_is_refused_with_its_history(
    zone: LandingZone, endings: Path
) -> None:
    """A run that was started without naming either has the project `uncategorized`."""
    (folder,) = endings.glob("*-nameless")
    result = cli("wandb-files", folder, "--raw-dir", zone.root)
    assert result.returncode == 1
    assert "run nameless: has no entity or project" in result.stderr
    assert "--entity and --project" in result.stderr
    assert landed(zone, "runs") == landed(zone, "history") == []
    (outcome,) = landed(zone, "outcomes")
    assert (outcome["reason"], outcome["run_id"]) == ("no_project", "nameless")

    result = cli("wandb-files", folder, "--raw-dir", zone.root, "--entity", "me")
    assert result.returncode == 0
    assert (the_run(zone)["entity"], the_run(zone)["project"]) == ("me", "uncategorized")
    assert steps(zone) == [0]


def test_entity_and_project_of_the_call_are_for_runs_that_lack_them(
    zone: LandingZone, tmp_path: Path
) -> None:
    names = {"entity": "me", "project": "mine"}
    land_log(zone, tmp_path / "1", a_log(run=run_record("named")), **names)
    land_log(zone, tmp_path / "2", a_log(run=run_record("not", entity="", project="")), **names)
    found = {run["run_id"]: (run["entity"], run["project"]) for run in landed(zone, "runs")}
    assert found == {"named": ("e", "p"), "not": ("me", "mine")}
    of_rows = [
        (entry.entity, entry.project, entry.rows)
        for manifest in zone.manifests()
        for entry in manifest.files
        if entry.kind == "history"
    ]
    assert of_rows == [("e", "p", 3), ("me", "mine", 3)]


# -- which files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["wandb folder", "run directory", "file", "above", "latest-run",
                                 "all of them", "inside"])  # fmt: skip
def test_a_run_is_found_once_and_nothing_beside_it(
    zone: LandingZone, finished: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, requirements and summaries beside the log are JSON, and no exports."""
    (directory,) = finished.glob("offline-run-*")
    assert list(directory.rglob("*.json"))
    (directory / "files" / "wandb-summary.json").write_text('{"a": 1}', encoding="utf-8")
    every = [finished, directory, log_of(finished), finished / "latest-run"]
    paths = {
        "wandb folder": [finished], "run directory": [directory], "file": [log_of(finished)],
        "above": [finished.parent], "latest-run": [finished / "latest-run"],
        "all of them": [*every, *reversed(every)], "inside": [Path()],
    }[how]  # fmt: skip
    monkeypatch.chdir(directory)
    summary = land(zone, *paths)
    assert (summary.inputs, summary.runs, summary.refused) == (1, 1, 0)
    assert (summary.already_landed, summary.history_rows) == (0, 7)


def test_runs_and_other_exports_in_one_folder(
    zone: LandingZone, finished: Path, killed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    shutil.copytree(finished, folder / "a" / "wandb", symlinks=True)
    shutil.copy(log_of(killed), folder / "killed.wandb")
    write_jsonl(folder / "runs.jsonl", [a_run("exported")])
    summary = land(zone, folder)
    assert (summary.inputs, summary.runs, summary.refused) == (3, 3, 0)
    assert {run["run_id"] for run in landed(zone, "runs")} == {RUN_ID, "killed", "exported"}


def test_a_renamed_run_directory_is_still_one(
    zone: LandingZone, finished: Path, tmp_path: Path
) -> None:
    (directory,) = finished.glob("offline-run-*")
    shutil.copytree(directory, tmp_path / "renamed")
    summary = land(zone, tmp_path)
    assert (summary.inputs, summary.runs, summary.refused) == (1, 1, 0)


def test_a_run_directory_without_its_log_is_refused(
    zone: LandingZone, finished: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "wandb", symlinks=True)
    log_of(tmp_path / "wandb").unlink()
    write_log(tmp_path / "wandb" / "run-20250101_000000-r" / "run-r.wandb", a_log())
    summary = land(zone, tmp_path / "wandb")
    assert (summary.inputs, summary.runs, summary.refused) == (2, 1, 1)
    assert "offline-run-" in summary.messages[0] and ".wandb" in summary.messages[0]
    (refused,) = (o for o in landed(zone, "outcomes") if o["status"] == "refused")
    assert refused["reason"] == "no_log"
    assert str(tmp_path) not in json.dumps(refused)


def test_a_part_of_a_run_directory_is_no_export(zone: LandingZone, finished: Path) -> None:
    (directory,) = finished.glob("offline-run-*")
    (message,) = land(zone, directory / "files").messages
    assert "holds no export" in message and "*.wandb" in message


def test_a_log_is_known_by_its_content(zone: LandingZone, tmp_path: Path) -> None:
    path = write_log(tmp_path / "backup.bin", a_log())
    assert land(zone, path).runs == 1


def test_the_same_log_lands_once_and_a_grown_one_again(zone: LandingZone, tmp_path: Path) -> None:
    """A run that still writes is landed as it is, and later as it has become."""
    folder = tmp_path / "run-20250819_053925-r"
    log = a_log(10)
    for n_records, newly_landed in [(5, 1), (5, 0), (11, 1), (12, 1), (12, 0)]:
        summary = land_log(zone, folder, log[:n_records])
        assert (summary.runs, summary.already_landed) == (newly_landed, 1 - newly_landed)
    assert [(run["state"], run["history_line_count"]) for run in landed(zone, "runs")] == [
        ("crashed", 4), ("crashed", 10), ("finished", 10),
    ]  # fmt: skip


def sessions(zone: LandingZone) -> list[str]:
    """Of the landed logs, each once for all of its records."""
    found = []
    for manifest in zone.manifests():
        rows = [*zone.records([manifest], "runs"), *zone.records([manifest], "history")]
        (session,) = {row["session"] for row in rows}
        found.append(session)
    return found


def test_a_session_is_known_by_when_it_began(zone: LandingZone, tmp_path: Path) -> None:
    """Two ranks begin microseconds apart; a log stays the same one while it grows."""
    for began_s in (0.25, 0.250001):
        log = a_log(3, run=run_record(started_s=STARTED_S + began_s))
        for n_records in (2, 5):
            land_log(zone, tmp_path / f"{began_s}-{n_records}", log[:n_records])
    began = STARTED_AT.removesuffix(".000000Z")
    assert sessions(zone) == [f"{began}.250000Z"] * 2 + [f"{began}.250001Z"] * 2


def test_sessions_that_began_in_the_same_second(zone: LandingZone, tmp_path: Path) -> None:
    """Older clients wrote no more of their start: the first row tells them apart."""
    for rank in range(2):
        log = [run_record(), row_record(0, rank=rank), row_record(1, rank=rank), exit_record()]
        for n_records in (2, 4):
            land_log(zone, tmp_path / f"{rank}-{n_records}", log[:n_records])
    early, late, *others = sessions(zone)
    assert early == late
    assert early.startswith(f"{STARTED_AT}-")
    assert others == [others[0]] * 2
    assert others[0] != early


def test_a_log_that_landed_without_its_session_lands_again(
    zone: LandingZone, tmp_path: Path
) -> None:
    """`status` names it until then."""
    path = write_log(tmp_path / "run-r.wandb", a_log())
    assert land(zone, path).runs == 1
    assert land(zone, path).already_landed == 1
    (manifest,) = zone.manifests()
    path_of_manifest = manifest_path(zone.root, "wandb", manifest.batch_id)
    content = json.loads(path_of_manifest.read_text())
    content["arguments"].pop("tells_session")  # as it was before
    path_of_manifest.write_text(json.dumps(content))
    status = cli("status", "--raw-dir", zone.root, key=None)
    assert summary_of(status)["to_land_again"] == ["run-r.wandb"]
    assert "1 offline logs landed before" in status.stderr
    assert land(zone, path).runs == 1
    status = cli("status", "--raw-dir", zone.root, key=None)
    assert summary_of(status)["to_land_again"] == []
    assert "landed before" not in status.stderr


# -- the log --------------------------------------------------------------------------------------


def test_records_of_every_length_at_the_end_of_a_block(tmp_path: Path) -> None:
    """A chunk that ends with the block, padding of 1 to 6 bytes, a chunk that has no data."""
    last = b"last"
    for length in range(BLOCK - 40, BLOCK + 10):
        payloads = [b"x" * length, b"", b"y" * 3 * BLOCK, last]
        path = write_log(tmp_path / "a.wandb", payloads)
        assert list(wandb_log.payloads(path)) == payloads


@pytest.mark.parametrize("n_zeros", [7, 100, BLOCK, 3 * BLOCK + 5])
def test_zeros_at_the_end_are_no_damage(zone: LandingZone, tmp_path: Path, n_zeros: int) -> None:
    """Room that was reserved and not written to."""
    path = tmp_path / "run-r.wandb"
    path.write_bytes(as_log(a_log()) + b"\0" * n_zeros)
    assert land(zone, path).refused == 0
    run = the_run(zone)
    assert (run["state"], run.get("extra")) == ("finished", None)


@pytest.mark.parametrize("cut", ["data", "chunk header", "block", "between chunks"])
def test_a_cut_file_lands_up_to_the_cut(zone: LandingZone, tmp_path: Path, cut: str) -> None:
    whole = as_log(a_log(5, ends=False))
    long = as_log([*a_log(5, ends=False), row_record(5, text="x" * 2 * BLOCK), exit_record()])
    content = {
        "data": whole[:-3],
        "chunk header": whole + chunk(FULL, row_record(5))[:4],
        "block": long[:BLOCK],
        "between chunks": long[: 2 * BLOCK],
    }[cut]
    path = tmp_path / "run-r.wandb"
    path.write_bytes(content)
    result = cli("wandb-files", path, "--raw-dir", zone.root)
    assert result.returncode == 1
    assert "cut off" in result.stderr and "run-r.wandb" in result.stderr
    assert "Traceback" not in result.stderr
    assert summary_of(result)["refused"] == 1
    check_zone(zone)
    run = the_run(zone)
    n_rows = 4 if cut == "data" else 5
    assert (run["state"], run["extra"], run["history_line_count"]) == (
        "crashed", {"is_incomplete": True}, n_rows,
    )  # fmt: skip
    assert steps(zone) == list(range(n_rows))
    (refused,) = (o for o in landed(zone, "outcomes") if o["status"] == "refused")
    assert refused["reason"] == "truncated_wandb"
    assert refused["item"] == "run-r.wandb"


def test_a_real_log_cut_anywhere_lands_a_beginning_of_it(tmp_path: Path, finished: Path) -> None:
    """No cut is an error of ours, and what lands is always a beginning of what was logged."""
    content = log_of(finished).read_bytes()
    seen = set()
    for number, length in enumerate(range(0, len(content), 211)):
        zone = LandingZone(tmp_path / f"raw{number}")
        path = tmp_path / "run-r.wandb"
        path.write_bytes(content[:length])
        summary = land(zone, path)
        assert steps(zone) == [0, 1, 2, 3, 4, 20, 30][: summary.history_rows]
        assert summary.runs or summary.refused
        if summary.runs:
            assert the_run(zone)["extra"]["is_incomplete"] is True
        seen.add(summary.history_rows)
    assert {0, 1, 4} <= seen


@pytest.mark.parametrize(
    ("damage", "kept"),
    [("first block", None), ("second block", "others"), ("third block", "others")],
)
def test_behind_damage_the_next_block_is_read(
    zone: LandingZone, tmp_path: Path, damage: str, kept: str | None
) -> None:
    """As W&B's own reader does: a bad sector costs a block, not the rest of the run."""
    log = bytearray(as_log(a_log(2000)))
    assert len(log) > 4 * BLOCK
    at = {"first block": 30, "second block": BLOCK + 5000, "third block": 2 * BLOCK + 9}[damage]
    log[at] ^= 0x40
    path = tmp_path / "run-r.wandb"
    path.write_bytes(log)
    result = cli("wandb-files", path, "--raw-dir", zone.root)
    assert result.returncode == 1
    assert "its checksum does not fit" in result.stderr
    reasons = {o["reason"] for o in landed(zone, "outcomes") if o["status"] == "refused"}
    if kept is None:
        # Which run it is stood in that block.
        assert reasons == {"broken_wandb", "no_run_id"}
        assert landed(zone, "runs") == landed(zone, "history") == []
        return
    assert reasons == {"broken_wandb"}
    run, found = the_run(zone), steps(zone)
    assert (run["state"], run["extra"]) == ("finished", {"is_incomplete": True})
    lost = set(range(2000)) - set(found)
    assert 10 < len(lost) < 400
    assert lost == set(range(min(lost), max(lost) + 1))
    assert found == sorted(found)


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


def test_no_flipped_byte_goes_unnoticed(tmp_path: Path) -> None:
    content = as_log(a_log(2))
    for position in range(len(content)):
        zone = LandingZone(tmp_path / f"raw{position}")
        path = tmp_path / "run-r.wandb"
        path.write_bytes(flipped(content, position))
        assert land(zone, path).refused > 0, position


# What the log holds, the reason, a piece of the message, how many rows land.
BAD_LOGS: dict[str, tuple[bytes, str, str, int | None]] = {
    "no bytes": (b"", "empty", "is empty", None),
    "half a header": (HEADER[:5], "truncated_wandb", "cut off", None),
    "a header and no more": (HEADER, "empty", "ended before W&B wrote its first record", None),
    "another magic": (b"PK\x03\x04" + HEADER, "not_wandb", "no W&B run file", None),
    "another magic number": (b":W&B\0\0\0", "not_wandb", "no W&B run file", None),
    "text": (b'{"run_id": "r"}\n', "not_wandb", "no W&B run file", None),
    "a future version": (
        HEADER[:6] + b"\1" + as_log(a_log())[7:], "future_wandb", "version 1", None,
    ),
    "no record of a run": (as_log([exit_record()]), "empty", "holds no run", None),
    "a chunk of an unknown kind": (
        as_log(a_log()) + chunk(9, b"x"), "broken_wandb", "unknown kind 9", 3,
    ),
    "the end of a record alone": (
        as_log(a_log()) + chunk(LAST, b"x"), "broken_wandb", "its beginning is missing", 3,
    ),
    "the beginning of a record alone": (
        as_log(a_log(ends=False)) + chunk(FIRST, b"x") + chunk(FULL, exit_record()),
        "broken_wandb", "the rest of it is missing", 3,
    ),
    "the middle of a record last": (
        as_log(a_log()) + chunk(FIRST, b"x") + chunk(MIDDLE, b"x"), "truncated_wandb", "cut off", 3,
    ),
    "a chunk longer than its block": (
        (as_log(a_log()) + struct.pack("<IHB", 1, BLOCK, 1)).ljust(BLOCK, b"x"),
        "broken_wandb", "its length does not fit", 3,
    ),
    "zeros before records": (
        as_log(a_log(ends=False)).ljust(BLOCK, b"\0") + chunk(FULL, exit_record()),
        "broken_wandb", "zeros", 3,
    ),
    "a payload that is no message": (
        as_log([*a_log(), b"\xff" * 9]), "broken_wandb", "no message of W&B", 3,
    ),
    "a record of an unknown kind": (
        # Field 150, of two bytes.
        as_log([*a_log(), b"\xb2\x09\x02ab"]), "unknown_record", "field 150, record 6", 3,
    ),
    "a value that is not JSON": (
        as_log([
            *a_log(),
            a_record(lambda r: (items(r.config.update, {"a": 1}),
                                r.config.update.add(key="bad", value_json="{"),
                                items(r.config.update, {"b": 2}))),
        ]),
        "broken_value", "a value of 'bad'", 3,
    ),
    "a time that is none": (
        as_log([*a_log(), a_record(lambda r: setattr(r.environment.started_at, "seconds", 2**60))]),
        "broken_wandb", "no message of W&B", 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LOGS)
def test_a_bad_log_is_refused_and_what_is_whole_lands(
    zone: LandingZone, tmp_path: Path, case: str
) -> None:
    content, reason, piece, n_rows = BAD_LOGS[case]
    path = tmp_path / "run-r.wandb"
    path.write_bytes(content)
    summary = land(zone, path)
    assert summary.refused == 1
    (refused,) = (o for o in landed(zone, "outcomes") if o["status"] == "refused")
    assert refused["reason"] == reason
    assert piece in refused["message"] and "run-r.wandb" in refused["message"]
    assert str(tmp_path) not in json.dumps(refused)
    check_zone(zone)
    assert len(landed(zone, "history")) == (n_rows or 0)
    assert len(landed(zone, "runs")) == (n_rows is not None)
    before = files_of(zone)
    again = land(zone, path)
    assert (again.already_landed, again.refused) == (1, 1)
    assert files_of(zone) == before


def test_many_problems_of_one_kind_are_one_outcome(zone: LandingZone, tmp_path: Path) -> None:
    log = [*a_log(), *[b"\xff" * 9] * 1000]
    summary = land_log(zone, tmp_path, log)
    assert summary.refused == 1
    assert "999 more like this" in summary.messages[0]


def test_a_value_that_is_not_json_costs_only_itself(zone: LandingZone, tmp_path: Path) -> None:
    def fill(record: Any) -> None:
        items(record.history.item, {"_step": 7, "good": 1})
        record.history.item.add(key="bad", value_json="nan?")
        record.history.item.add(key="worse", value_json="1,2")
        items(record.history.item, {"better": 2})

    summary = land_log(zone, tmp_path, [run_record(), a_record(fill), exit_record()])
    assert "1 more like this" in summary.messages[0]
    (row,) = landed(zone, "history")
    assert (row["step"], row["metrics"]) == (7, {"good": 1, "better": 2})


def test_a_record_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wandb_log, "MAX_RECORD_BYTES", BLOCK)
    path = write_log(tmp_path / "a.wandb", [b"a", b"x" * 3 * BLOCK, b"b"])
    first, problem, last = wandb_log.payloads(path)
    assert (first, last) == (b"a", b"b")
    assert "longer than" in str(problem)


# -- records of other clients ---------------------------------------------------------------------


def test_the_step_of_a_row_may_stand_beside_it_or_be_left_out(
    zone: LandingZone, tmp_path: Path
) -> None:
    """Clients that leave steps to the uploader; one that is left out is the next, as it counts."""

    def row(step: int | None = None, **values: Any) -> bytes:
        def fill(record: Any) -> None:
            items(record.history.item, {"x": 1} | values)
            if step is not None:
                record.history.step.num = step

        return a_record(fill)

    log = [run_record(starting_step=3), row(), row(7), row(), row(_step=20), row(), row(2), row()]
    land_log(zone, tmp_path, log)
    assert steps(zone) == [3, 7, 8, 20, 21, 2, 3]  # rows of a rewind stay as they are


def test_values_need_not_be_json_text(zone: LandingZone, tmp_path: Path) -> None:
    def fill(record: Any) -> None:
        add = record.history.item.add
        add(key="integer", integer=2**60)
        add(key="number", number=math.inf)
        add(key="text", text="t")
        add(key="true", boolean=True)
        add(nested_key=["a", "b"], json='{"c": 1}')
        add(key="old", value_json="5")
        add(key="none", none=1)

    land_log(zone, tmp_path, [run_record(), a_record(fill), exit_record()])
    (row,) = landed(zone, "history")
    assert row["metrics"] == {
        "integer": 2**60, "number": math.inf, "text": "t", "true": True, "a": {"b": {"c": 1}},
        "old": 5,
    }  # fmt: skip


def test_config_and_summary_follow_their_changes(zone: LandingZone, tmp_path: Path) -> None:
    def change(record: Any) -> None:
        record.config.update.add(nested_key=["a", "b"], value_json="2")
        record.config.update.add(nested_key=["scalar", "x"], value_json="3")
        for path in (["gone"], ["a", "gone"], ["absent", "x"], ["scalar", "x", "y"]):
            record.config.remove.add(nested_key=path)

    config = {"a": {"b": 1, "gone": 1, "kept": 1}, "scalar": 1, "gone": 1, "_wandb": {"t": {}}}
    summary = a_record(lambda r: items(r.summary.update, {"s": 1, "gone": 2}))
    removed = a_record(lambda r: r.summary.remove.add(key="gone"))
    land_log(zone, tmp_path, [run_record(config=config), a_record(change), summary, removed])
    run = the_run(zone)
    assert run["config"] == {"a": {"b": 2, "kept": 1}, "scalar": {"x": 3}}
    assert run["summary"] == {"s": 1}
    assert run["extra"] == {"_wandb": {"t": {}}, "is_incomplete": True}


@pytest.mark.parametrize(
    ("first", "again", "expected"),
    [
        (BIG, float(BIG), BIG),
        ([BIG, {"a": BIG}], [float(BIG), {"a": float(BIG)}], [BIG, {"a": BIG}]),
        (BIG, 1.5, 1.5),
        (10**400, 1.5, 1.5),
        (3.5, 3.5, 3.5),
        (BIG, "text", "text"),
        ([BIG], [float(BIG), 1], [float(BIG), 1]),
        ({"a": BIG}, {"b": 1}, {"b": 1}),
    ],
)
def test_a_repeated_config_keeps_exact_integers(
    zone: LandingZone, tmp_path: Path, first: Any, again: Any, expected: Any
) -> None:
    runs = [run_record(config={"x": value}) for value in (first, again)]
    land_log(zone, tmp_path, [*runs, exit_record()])
    value = the_run(zone)["config"]["x"]
    assert (value, type(value)) == (expected, type(expected))


def test_the_heartbeat_is_the_newest_time_in_the_file(zone: LandingZone, tmp_path: Path) -> None:
    def at(name: str, seconds: int) -> bytes:
        return a_record(lambda r: getattr(r, name).timestamp.FromSeconds(STARTED_S + seconds))

    rows = [row_record(1, _timestamp=value) for value in (STARTED_S + 50, 1e300, "x", True, None)]
    log = [run_record(), at("stats", 70), at("output_raw", 60), *rows, exit_record()]
    land_log(zone, tmp_path, log)
    run = the_run(zone)
    assert (run["created_at"], run["heartbeat_at"]) == (STARTED_AT, "2025-08-19T05:40:35.000000Z")
    assert run["history_line_count"] == 5


def test_a_run_of_nothing_but_its_record(zone: LandingZone, tmp_path: Path) -> None:
    record = a_record(lambda r: setattr(r.run, "run_id", "r"))
    assert land_log(zone, tmp_path, [record], entity="e", project="p").refused == 0
    run = the_run(zone)
    assert re.fullmatch("[0-9a-f]{12}", run.pop("session"))  # it does not say when it began
    assert {key: value for key, value in run.items() if key not in ("content_sha256", "line")} == {
        "run_id": "r", "entity": "e", "project": "p", "state": "crashed", "tags": [],
        "history_line_count": 0, "config": {}, "summary": {}, "exported_at": None,
        "extra": {"is_incomplete": True},
    }  # fmt: skip


def test_payloads_of_unlimited_depth_are_refused(zone: LandingZone, tmp_path: Path) -> None:
    def deep(fill: Callable[[Any], Any]) -> bytes:
        return a_record(lambda r: fill(r).add(key="x", value_json="[" * 50_000 + "]" * 50_000))

    log = [
        *a_log(ends=False),
        deep(lambda r: r.config.update),
        deep(lambda r: r.history.item),
        a_record(lambda r: r.history.item.add(nested_key=["a"] * 5000, value_json="1")),
        exit_record(),
    ]
    summary = land_log(zone, tmp_path, log)
    reasons = {o["reason"] for o in landed(zone, "outcomes") if o["status"] == "refused"}
    assert (summary.runs, reasons) == (1, {"broken_value", "too_deep"})
    assert the_run(zone)["state"] == "finished"


# -- what it costs --------------------------------------------------------------------------------


def test_a_long_history_is_read_in_constant_memory(tmp_path: Path) -> None:
    peaks = []
    for n_rows in (1_000, 60_000):
        path = write_log(tmp_path / f"{n_rows}.wandb", a_log(n_rows))
        code, peak = peak_memory("wandb-files", path, "--raw-dir", tmp_path / f"raw{n_rows}")
        assert code == 0
        peaks.append(peak)
    assert path.stat().st_size > 7_000_000
    assert peaks[1] - peaks[0] < 7_000_000


def test_wandb_is_imported_only_for_its_logs(zone: LandingZone, tmp_path: Path) -> None:
    """It takes half a second, which every other command would wait for."""
    program = (
        "import sys; from extract import cli; sys.argv[1:] = ['wandb-files', *sys.argv[1:]]\n"
        "try: cli.app()\n"
        "finally: print('wandb' in sys.modules)"
    )
    for path, is_imported in [
        (write_jsonl(tmp_path / "runs.jsonl", [a_run()]), "False"),
        (write_log(tmp_path / "run-r.wandb", a_log()), "True"),
    ]:
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), "--raw-dir", str(zone.root)],
            cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == is_imported, done.stderr


def test_texts_with_names_are_replaced_in_rows_too(
    zone: LandingZone, tmp_path: Path, pseudonymiser: Pseudonymiser
) -> None:
    row = row_record(1, note="by asimov@example.org", path="/home/asimov/x.json")
    land_log(zone, tmp_path, [run_record(), row, exit_record()])
    assert "asimov" not in everything_written(zone)
    texts = [value for _, value in leaves(landed(zone, "history")) if isinstance(value, str)]
    assert any(pseudonymiser.hash("asimov@example.org") in text for text in texts)
