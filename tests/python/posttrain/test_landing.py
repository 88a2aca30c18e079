"""`posttrain`: directories of OLMES results, as they are dumped: landed, and landed again."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
from pathlib import Path

import duckdb
import pytest

from extract.landing.zone import LandingZone
from extract.posttrain.files import File
from extract.posttrain.lander import KEYS
from extract.simulator import posttrain as simulator
from extract.simulator.posttrain import NEWER, OLDER, TASKS
from tests.python.posttrain.testing import (
    GOOD,
    PROCESSES,
    N,
    all_text,
    content,
    counts,
    group,
    land,
    land_and_die,
    questions,
    refusals,
    results,
)
from tests.python.testing import (
    KEY,
    ROOT,
    check_zone,
    cli,
    files_of,
    landed,
    peak_memory,
    summary_of,
)

N_FILES = {OLDER: 1, NEWER: 2 + 4 * len(TASKS) + 1}  # those of boolq have requests, too


def test_each_results_directory_is_a_batch(zone: LandingZone, dumps: Path) -> None:
    summary = land(zone, dumps)
    assert counts(summary) == (4, 0, 0)
    assert summary.questions == 2 * len(TASKS) * N
    check_zone(zone)
    assert list((zone.root / "_tmp").iterdir()) == []
    for manifest in zone.manifests("posttrain"):
        dump, _, folder = manifest.arguments["directory"].split("/")
        kinds = {file.kind: file.rows for file in manifest.files}
        expected = {"records": 6, "files": 1, "outcomes": 1}
        if dump == NEWER:
            rows = {"records": 1 + 2 * len(TASKS), "files": N_FILES[NEWER]}
            expected |= rows | {"questions": len(TASKS) * N}
        assert kinds == expected
        assert all(file.path.startswith(f"posttrain/{dump}/{folder}/") for file in manifest.files)


def test_records_are_kept_to_the_letter(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps, key=None)
    found = landed(zone, "records")
    assert len(found) == 2 * (6 + 1 + 2 * len(TASKS))
    for row in found:
        path = dumps / row["directory"] / row["file"]
        lines = path.read_text().splitlines()
        text = lines[row["line"] - 1] if row["line"] else lines[0]
        record = json.loads(text)
        assert set(record) == set(KEYS) and row["extra"] is None
        for key in ("model_config", "task_config", "compute_config", "beaker_info", "metrics"):
            assert row[key] in text and json.loads(row[key]) == record[key]
        for key in ("task_name", "task_hash", "model_hash", "current_date"):
            assert row[key] == record[key]
        for key in ("task_idx", "processing_time", "num_instances"):
            assert (None if row[key] is None else json.loads(row[key])) == record[key]
        assert f"{row['folder_model']}__{row['folder_revision']}" == row["folder"]
        assert row["directory"] == f"{row['dump']}/_eval_results/{row['folder']}"
        del record["task_idx"]
        canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
        assert row["content_sha256"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_record_with_other_members_and_another_layout(zone: LandingZone, tmp_path: Path) -> None:
    """Blanks and the order of keys do not make another record; values and types do."""
    record = {"task_name": "x", "metrics": {"a": 1e-5, "b": 2}, "task_idx": 1, "new": {"k": [1]}}
    folder = tmp_path / "m__r"
    folder.mkdir()
    (folder / "x-metrics.json").write_text(json.dumps(record, indent=2))
    turned = dict(reversed(record.items())) | {"task_idx": 2}
    other = record | {"metrics": {"a": 1e-5, "b": 2.5}}
    odd = {"task_name": "x", "metrics": "none", "task_hash": 5, "current_date": None}
    lines = "\n\n".join(map(json.dumps, [turned, other, odd])) + "\n"
    (folder / "metrics-all.jsonl").write_text("\ufeff" + lines)
    assert counts(land(zone, folder)) == (1, 0, 0)
    rows = {(row["file"], row["line"]): row for row in landed(zone, "records")}
    whole = rows["x-metrics.json", None]
    first, second, third = (rows["metrics-all.jsonl", line] for line in (1, 3, 5))
    assert whole["content_sha256"] == first["content_sha256"] != second["content_sha256"]
    assert json.loads(whole["extra"]) == {"new": {"k": [1]}}
    assert (third["metrics"], third["task_hash"], third["current_date"]) == ('"none"', "5", None)
    assert {row["directory"] for row in rows.values()} == {"m__r"}  # of no dump
    assert {row["dump"] for row in rows.values()} == {None}


def test_questions_are_those_of_the_lines(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps)
    found = {(row["predictions_sha256"], row["doc_id"]): row for row in questions(zone)}
    for path in dumps.rglob("*-predictions.jsonl"):
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        for document in map(json.loads, path.read_text().splitlines()):
            row = found.pop((sha256, document["doc_id"]))
            assert (row["task_hash"], row["model_hash"]) == (
                document["task_hash"],
                document["model_hash"],
            )
            assert row["label_text"] == str(document["label"])
            assert row["acc_raw"] == document["metrics"].get("acc_raw")
            for kept, output in zip(row["choices"], document["model_output"], strict=True):
                assert kept["sum_logits"] == output["sum_logits"]
            extra = json.loads(row["extra"] or "{}")
            if "exact_match" in document["metrics"]:
                assert extra["metrics"] == document["metrics"]
                (output,) = extra["model_output"]
                assert output["continuation"] == document["model_output"][0]["continuation"]
            else:
                assert not extra
    assert not found


def test_files_have_the_types_that_the_models_expect(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps)
    path = next(zone.root.rglob("*-questions.parquet"))
    empty = ROOT / "models" / "base" / "posttrain" / "empty" / "questions.parquet"
    described = [
        duckdb.execute(
            f"select column_name, column_type from (describe from '{file}')"
        ).fetchall()
        for file in (path, empty)
    ]  # fmt: skip
    assert described[0] == described[1]


def test_all_files_are_listed_with_their_task(zone: LandingZone, dumps: Path) -> None:
    """`task-002-` is used twice; a recorded input knows the name of its task, a file may not."""
    folder = results(dumps)
    for path in sorted(folder.glob("task-002-piqa*")):
        path.rename(folder / path.name.replace("piqa:rc::olmes", "piqa_rc"))
    spelled = folder / f"{group(3)}-recorded-inputs.jsonl"
    spelled.rename(folder / f"{group(3)}-recorded_inputs.jsonl")
    land(zone, dumps)
    files = {
        row["file"]: row for row in landed(zone, "files")
        if row["directory"].endswith(folder.name) and row["dump"] == NEWER
    }  # fmt: skip
    assert set(files) == {path.name for path in folder.iterdir()}
    for name, row in files.items():
        assert row["sha256"] == hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert row["bytes"] == (folder / name).stat().st_size
    assert {row["task_name"] for row in files.values()} == {None, *(one.name for one in TASKS)}
    kinds = {name: row["kind"] for name, row in files.items()}
    assert kinds["metrics.json"] == "other" and kinds["metrics-all.jsonl"] == "metrics-all"
    assert kinds[f"{group(3)}-recorded_inputs.jsonl"] == "recorded-inputs"
    predictions = files["task-002-piqa_rc-predictions.jsonl"]
    assert predictions["file_group"] == "task-002-piqa_rc"
    assert predictions["task_name"] == "piqa:rc::olmes"


@pytest.mark.parametrize(
    ("name", "kind", "file_group", "task"),
    [
        ("task-038-a:b::c-metrics.json", "metrics", "task-038-a:b::c", "a:b::c"),
        ("a-metrics.json", "metrics", "a", "a"),
        ("task-1234-a-b-predictions.jsonl", "predictions", "task-1234-a-b", "a-b"),
        ("a-verbose-metrics.json", "verbose-metrics", "a", "a"),
        ("a-requests.jsonl.gz", "requests", "a", "a"),
        ("a-recorded inputs.jsonl", "recorded-inputs", "a", "a"),
        ("metrics-all.jsonl.gz", "metrics-all", None, None),
        ("metrics.json", "other", None, None),
        ("-metrics.json", "other", None, None),
        ("a-metrics.jsonx", "other", None, None),
    ],
)
def test_what_a_file_is(name: str, kind: str, file_group: str | None, task: str | None) -> None:
    file = File.of(Path("x") / name)
    assert (file.kind, file.group, file.task) == (kind, file_group, task)


def test_what_has_landed_does_not_land_again(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps / OLDER)
    before = files_of(zone)
    assert counts(land(zone, dumps / OLDER)) == (0, 2, 0)
    assert files_of(zone) == before
    assert counts(land(zone, dumps)) == (2, 2, 0)
    # Whichever folder is named, a directory is known by its dump.
    assert counts(land(zone, results(dumps), dumps / NEWER)) == (0, 2, 0)
    whole = LandingZone(zone.root.parent / "whole")
    land(whole, dumps)
    assert content(zone) == content(whole)


def test_a_directory_that_has_changed_lands_again(zone: LandingZone, dumps: Path) -> None:
    """A judge rewrites metrics later; the predictions are the same, and land once."""
    land(zone, dumps)
    n_questions = len(questions(zone))
    path = results(dumps) / f"{group(4)}-metrics.json"
    record = json.loads(path.read_text())
    record["metrics"]["length_controlled_winrate"] = 0.75
    path.write_text(json.dumps(record))
    summary = land(zone, dumps)
    assert counts(summary) == (1, 3, 0) and summary.questions == 0
    assert len(questions(zone)) == n_questions
    told = [row["metrics"] for row in landed(zone, "records")
            if row["file"] == path.name and row["folder"] == path.parent.name]  # fmt: skip
    assert len(told) == 2 and len(set(told)) == 2
    assert counts(land(zone, dumps)) == (0, 4, 0)


def test_equal_predictions_land_once(zone: LandingZone, dumps: Path) -> None:
    copy = dumps / "2025-09-09_posttrain" / "_eval_results" / results(dumps).name
    shutil.copytree(results(dumps), copy)
    shutil.copy(copy / f"{group(0)}-predictions.jsonl", copy / "twin-predictions.jsonl")
    summary = land(zone, dumps)
    assert counts(summary) == (5, 0, 0)
    assert summary.questions == len(questions(zone)) == 2 * len(TASKS) * N
    assert len({row["directory"] for row in landed(zone, "files")}) == 5


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["replace", "fsync", "link"])
def test_killed_at_every_step_the_next_call_completes(
    tmp_path: Path, dumps: Path, call: str, after: bool
) -> None:
    whole = LandingZone(tmp_path / "whole")
    land(whole, dumps)
    expected = content(whole)
    step = n_kills = 0
    while True:
        zone = LandingZone(tmp_path / f"raw-{step}")
        process = PROCESSES.Process(
            target=land_and_die, args=(zone.root, dumps, call, step, after)
        )  # fmt: skip
        process.start()
        process.join(timeout=60)
        check_zone(zone, leftovers=True)
        assert process.exitcode in (0, -signal.SIGKILL)
        if process.exitcode == 0:
            break
        n_kills += 1
        n_landed = len(list(zone.manifests()))
        assert counts(land(zone, dumps)) == (4 - n_landed, n_landed, 0)
        check_zone(zone)
        assert content(zone) == expected
        step += 1 if step < 12 else 7  # the batches are alike
    assert n_kills > 1


def test_a_directory_is_known_whichever_folder_above_is_named(
    zone: LandingZone, tmp_path: Path
) -> None:
    folder = tmp_path / "in" / "sub" / "m__r"
    folder.mkdir(parents=True)
    (folder / "metrics-all.jsonl").write_bytes(GOOD)
    assert counts(land(zone, tmp_path / "in")) == (1, 0, 0)
    (folder / "run.log").write_text("of no interest")
    for above in (folder.parent, folder, tmp_path):
        assert counts(land(zone, above)) == (0, 1, 0)


@pytest.mark.parametrize("key", [KEY, None])
def test_equal_directories_at_two_places_are_two(
    zone: LandingZone, tmp_path: Path, key: str | None
) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "in" / "m__r").mkdir(parents=True)
        (tmp_path / name / "in" / "m__r" / "metrics-all.jsonl").write_bytes(GOOD)
    assert counts(land(zone, tmp_path / "a/in", tmp_path / "b/in", key=key)) == (2, 0, 0)
    assert str(tmp_path) not in all_text(zone)


def test_links_are_followed_once(zone: LandingZone, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "m__r"
    elsewhere.mkdir(parents=True)
    (elsewhere / "metrics-all.jsonl").write_bytes(GOOD)
    top = tmp_path / "in"
    top.mkdir()
    for name, target in {"m__r": elsewhere, "n__r": elsewhere, "loop": top, "up": tmp_path,
                         "nowhere": tmp_path / "gone"}.items():  # fmt: skip
        (top / name).symlink_to(target)
    assert counts(land(zone, top)) == (1, 0, 1)
    assert [reason for reason, _ in refusals(zone).values()] == ["unreadable"]


def test_very_long_texts_of_many_files_land(zone: LandingZone, tmp_path: Path) -> None:
    """A group of 2,048 rows of 3.8 MB fits into no memory."""
    folder = tmp_path / "m__r"
    folder.mkdir()
    for number in range(4):
        with open(folder / f"a{number}-predictions.jsonl", "w", encoding="utf-8") as stream:
            for doc_id in range(60):
                output = {"continuation": os.urandom(1_900_000).hex(), "sum_logits": -1.0}
                document = {"doc_id": doc_id, "metrics": {}, "model_output": [output]}
                stream.write(json.dumps(document) + "\n")
    (folder / "b-predictions.jsonl").write_text('{"doc_id": 0, "metrics": {}}\n')
    assert counts(land(zone, tmp_path)) == (1, 0, 0)
    paths = [str(path) for path in zone.root.rglob("*questions*.parquet")]
    query = f"select count(*), count(distinct predictions_sha256) from read_parquet({paths})"
    assert duckdb.execute(query).fetchall() == [(241, 5)]
    check_zone(zone)


@pytest.mark.parametrize(
    "name", ["it's", 'a "b"', "[x]?*", "a;b%20{}", "é\n\t", "a$b\\c", "x" * 200]
)
def test_odd_names(zone: LandingZone, dumps: Path, name: str) -> None:
    folder = results(dumps).rename(results(dumps).parent / f"{name[:80]}__main")
    for kind in ("metrics.json", "predictions.jsonl"):
        old = folder / f"{group(0)}-{kind}"
        record = old.read_text().replace('"arc_challenge:rc::olmes"', json.dumps(name))
        (folder / f"task-000-{name}-{kind}").write_text(record)
        old.unlink()
    (folder / f"{group(0)}-config.json").unlink()
    (folder / f"{group(0)}-recorded-inputs.jsonl").unlink()
    assert counts(land(zone, dumps)) == (4, 0, 0)
    check_zone(zone)
    (row,) = (
        row for row in landed(zone, "files")
        if row["kind"] == "predictions" and row["task_name"] == name
    )  # fmt: skip
    assert (row["folder_model"], row["folder_revision"]) == (name[:80], "main")
    assert len(questions(zone)) == 2 * len(TASKS) * N


def test_compressed_files_land(zone: LandingZone, dumps: Path) -> None:
    for name in ("metrics-all.jsonl", f"{group(0)}-predictions.jsonl", f"{group(0)}-metrics.json"):
        path = results(dumps) / name
        (results(dumps) / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert counts(land(zone, dumps)) == (4, 0, 0)
    assert len(questions(zone)) == 2 * len(TASKS) * N
    assert len(landed(zone, "records")) == 2 * (6 + 1 + 2 * len(TASKS))


def test_long_texts_land_in_bounded_memory(zone: LandingZone, tmp_path: Path) -> None:
    """DuckDB needs a hundred times the size of the JSON that it takes apart at once."""
    folder = tmp_path / "m__r"
    folder.mkdir()
    with open(folder / "math-predictions.jsonl", "w", encoding="utf-8") as stream:
        for doc_id in range(4_000):
            output = {"continuation": f"{doc_id} so " * 2_000, "sum_logits": -1.0}
            document = {"doc_id": doc_id, "metrics": {}, "model_output": [output]}
            stream.write(json.dumps(document) + "\n")
    assert (folder / "math-predictions.jsonl").stat().st_size > 60e6
    code, peak = peak_memory("posttrain", folder, "--raw-dir", zone.root)
    assert code == 0 and len(questions(zone)) == 4_000
    assert peak < 600e6


def test_the_command(zone: LandingZone, dumps: Path) -> None:
    result = cli("posttrain", dumps, "--raw-dir", zone.root)
    assert (result.returncode, result.stderr) == (0, "")
    assert summary_of(result) == {
        "command": "posttrain", "directories": 4, "already_landed": 0, "records": 42,
        "questions": 2 * len(TASKS) * N, "refused": 0,
    }  # fmt: skip
    (results(dumps) / "x-metrics.json").write_text("{")
    result = cli("posttrain", dumps, "--raw-dir", zone.root)
    assert (result.returncode, summary_of(result)["refused"]) == (1, 1)
    assert result.stderr.startswith(f"refused: {results(dumps) / 'x-metrics.json'}: ")
    assert cli("posttrain", dumps, "--raw-dir", zone.root, "--keep-personal").returncode == 2
    assert cli("posttrain", dumps, "--raw-dir", zone.root, key=None).returncode == 2
    assert cli("posttrain").returncode == 2


def test_the_simulator_is_deterministic(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        written = simulator.write(tmp_path / name, n_questions=N)
        paths = sorted((tmp_path / name).rglob("*"))
        contents.append(
            {
                path.relative_to(tmp_path / name): path.read_bytes()
                for path in paths
                if path.is_file()
            }
        )
    assert contents[0] == contents[1]
    assert written.directories == 4
