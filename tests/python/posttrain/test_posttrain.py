"""`posttrain`: directories of OLMES results, as they are dumped and as they should not be."""

from __future__ import annotations

import gzip
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.errors import UsageError
from extract.landing.privacy import PREFIX, Pseudonymiser
from extract.landing.zone import LandingZone
from extract.posttrain import call as posttrain
from extract.posttrain import lander
from extract.posttrain.files import File
from extract.posttrain.lander import KEYS, Summary
from extract.simulator import posttrain as simulator
from extract.simulator.posttrain import AUTHOR, HOST, MODELS, NEWER, OLDER, TASKS, write
from tests.python.testing import (
    KEY,
    ROOT,
    check_zone,
    cli,
    decompressed,
    files_of,
    landed,
    peak_memory,
    summary_of,
)

N = 4  # questions of a task
N_FILES = {OLDER: 1, NEWER: 2 + 4 * len(TASKS) + 1}  # those of boolq have requests, too
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["extract.posttrain.call", "pytest", "tests.python.posttrain.test_posttrain"]
)
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    write(tmp_path / "dumps", n_questions=N)
    return tmp_path / "dumps"


def results(dumps: Path, dump: str = NEWER, model: int = 0) -> Path:
    name, revision = MODELS[model]
    return dumps / dump / "_eval_results" / f"{name.replace('/', '_')}__{revision}"


def group(number: int) -> str:
    return TASKS[number].group


def land(zone: LandingZone, *folders: Path, key: str | None = KEY) -> Summary:
    return posttrain.land(zone, folders, Pseudonymiser(key))


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.directories, summary.already_landed, summary.refused


def questions(zone: LandingZone) -> list[dict[str, Any]]:
    paths = [
        str(zone.root / file.path)
        for manifest in zone.manifests("posttrain")
        for file in manifest.files if file.kind == "questions"
    ]  # fmt: skip
    if not paths:
        return []
    result = duckdb.execute(f"select * from read_parquet({paths})")
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def content(zone: LandingZone) -> dict[str, Counter[str]]:
    """What has landed, whatever the order."""
    kinds = {kind: landed(zone, kind) for kind in ("records", "files")}
    return {
        kind: Counter(json.dumps(row, sort_keys=True) for row in rows)
        for kind, rows in (kinds | {"questions": questions(zone)}).items()
    }


def refusals(zone: LandingZone) -> dict[str, tuple[str, int | None]]:
    """Reason and line of each refused item."""
    return {
        record["item"]: (record["reason"], record.get("line"))
        for record in landed(zone, "outcomes") if record["status"] == "refused"
    }  # fmt: skip


def all_text(zone: LandingZone) -> str:
    """Everything below the raw directory: names, JSON and the texts in Parquet."""
    text = []
    for path in zone.root.rglob("*"):
        text.append(str(path.relative_to(zone.root)))
        if path.suffix == ".parquet":
            text.append(str(duckdb.execute(f"from '{path}'").fetchall()))
        elif path.is_file():
            binary = decompressed(path) if path.suffix == ".zst" else path.read_bytes()
            text.append(binary.decode())
    return "\n".join(text)


# -- landing --------------------------------------------------------------------------------------


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


# -- again ----------------------------------------------------------------------------------------


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


def land_and_die(root: Path, dumps: Path, name: str, number: int, after: bool) -> None:
    """Land, and be killed right before or after the n-th call of ``os.<name>``."""
    function, calls = getattr(os, name), iter(range(10**6))

    def dying(*arguments: Any) -> Any:
        its_time = next(calls) == number
        if its_time and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if its_time:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(os, name, dying)
    land(LandingZone(root), dumps)


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


# -- what cannot land -----------------------------------------------------------------------------


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new)


GOOD = b'{"task_name": "a", "metrics": {}}\n'
DEEP = b'{"task_name": "a", "metrics": ' + b'{"a": ' * 900 + b"1" + b"}" * 901 + b"\n"


@pytest.mark.parametrize(
    ("name", "change", "reason", "line"),
    [
        ("metrics-all.jsonl", cut, "not_json", 4),
        ("metrics-all.jsonl", lambda _: GOOD + b"nonsense\n" + GOOD, "not_json", 2),
        ("metrics-all.jsonl", lambda _: GOOD + b"[1]\n", "not_json", 2),
        ("metrics-all.jsonl", lambda _: GOOD + b'{"a": "\xff"}\n', "not_json", 2),
        ("metrics-all.jsonl", lambda _: b'{"metrics": {}}\n' + GOOD, "no_task_name", 1),
        ("metrics-all.jsonl", lambda _: GOOD + b'{"task_name": 5}\n', "no_task_name", 2),
        ("metrics-all.jsonl", lambda _: b'{"task_name": ""}\n', "no_task_name", 1),
        ("metrics-all.jsonl", lambda _: b'{"task_name": " "}\n', "no_task_name", 1),
        ("metrics-all.jsonl", lambda _: GOOD + b"\xef\xbb\xbf" + GOOD, "not_json", 2),
        ("metrics-all.jsonl", lambda _: GOOD + DEEP, "not_json", 2),
        ("metrics-all.jsonl", lambda _: LFS_POINTER, "lfs_pointer", None),
        (f"{group(2)}-metrics.json", cut, "not_json", None),
        (f"{group(2)}-metrics.json", lambda _: b"", "empty", None),
        (f"{group(2)}-metrics.json", lambda _: b"[]", "not_json", None),
        (f"{group(2)}-metrics.json", lambda _: LFS_POINTER, "lfs_pointer", None),
        (f"{group(2)}-predictions.jsonl", cut, "not_json", 3),
        (f"{group(3)}-predictions.jsonl", lambda _: b"", "empty", None),
        (f"{group(3)}-predictions.jsonl", lambda _: LFS_POINTER, "lfs_pointer", None),
        (f"{group(3)}-predictions.jsonl", lambda old: b"\n" + old + b"[]\n", "not_json", N + 2),
        (f"{group(3)}-predictions.jsonl", lambda old: old + b"null\n", "no_doc_id", None),
        (f"{group(3)}-predictions.jsonl", lambda old: old + old, "repeated_doc", None),
        (f"{group(3)}-predictions.jsonl", replaced(b'"doc_id"', b'"id"'), "no_doc_id", None),
        (f"{group(3)}-predictions.jsonl", replaced(b'"model_output": [', b'"model_output": [5, '),
         "unknown_shape", None),
    ],
)  # fmt: skip
def test_what_cannot_land_is_told_and_the_rest_lands(
    zone: LandingZone, dumps: Path, name: str, change: Callable[[bytes], bytes], reason: str,
    line: int | None,
) -> None:  # fmt: skip
    path = results(dumps) / name
    whole = LandingZone(zone.root.parent / "whole")
    land(whole, dumps)
    path.write_bytes(change(path.read_bytes()))
    summary = land(zone, dumps)
    assert counts(summary)[:2] == (4, 0)
    item = f"{NEWER}/_eval_results/{path.parent.name}/{name}"
    assert refusals(zone) == {item: (reason, line)}
    (message,) = summary.messages
    assert message.startswith(f"{path}, line {line}: " if line else f"{path}: ")
    check_zone(zone)
    # Of the other files all is there, and so it is at the second call.
    others = [
        sum(row["file"] != name or row["folder"] != path.parent.name for row in landed(one, kind))
        for one in (zone, whole) for kind in ("records", "files")
    ]  # fmt: skip
    assert others[:2] == others[2:]
    lost = N if "predictions" in name else 0
    assert len(questions(zone)) == len(questions(whole)) - lost
    again = land(zone, dumps)
    assert counts(again) == (0, 4, 1) and reason in str(list(refusals(zone).values()))


def test_a_mended_directory_lands(zone: LandingZone, dumps: Path) -> None:
    path = results(dumps) / f"{group(0)}-predictions.jsonl"
    good = path.read_bytes()
    path.write_bytes(cut(good))
    assert counts(land(zone, dumps)) == (4, 0, 1)
    path.write_bytes(good)
    assert counts(land(zone, dumps)) == (1, 3, 0)
    assert len(questions(zone)) == 2 * len(TASKS) * N


def test_folders_without_results_are_refused(zone: LandingZone, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    (empty / "below").mkdir(parents=True)
    (empty / "metrics.json").write_text('{"all_primary_scores": []}')
    file = tmp_path / "metrics-all.jsonl"
    file.write_bytes(GOOD)
    summary = land(zone, empty, file, tmp_path / "absent")
    assert counts(summary) == (0, 0, 3)
    assert refusals(zone) == {
        Pseudonymiser(KEY).hash("empty"): ("no_results", None),
        "metrics-all.jsonl": ("no_folder", None),
        Pseudonymiser(KEY).hash("absent"): ("no_folder", None),
    }
    check_zone(zone)


def test_what_cannot_be_read_is_told(
    zone: LandingZone, dumps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, who can read everything."""
    (results(dumps) / "gone-metrics.json").symlink_to("nowhere")
    os.mkfifo(results(dumps) / "pipe-predictions.jsonl")  # to open it would wait for ever
    walk = os.walk

    def failing(top: Path, onerror: Callable[[OSError], None], **options: Any) -> Any:
        onerror(PermissionError(13, "Permission denied", str(top / "private")))
        return walk(top, onerror=onerror, **options)

    monkeypatch.setattr(os, "walk", failing)
    summary = land(zone, dumps)
    assert counts(summary) == (4, 0, 3)
    label = f"{NEWER}/_eval_results/{results(dumps).name}"
    assert refusals(zone) == {
        f"{label}/gone-metrics.json": ("unreadable", None),
        f"{label}/pipe-predictions.jsonl": ("unreadable", None),
        Pseudonymiser(KEY).hash("private"): ("unreadable", None),
    }


def test_the_zone_itself_and_hidden_folders_hold_no_results(tmp_path: Path, dumps: Path) -> None:
    zone = LandingZone(dumps / "raw")
    shutil.copytree(results(dumps), dumps / "raw" / "m__r")
    shutil.copytree(results(dumps), dumps / ".cache" / "m__r")
    assert counts(land(zone, dumps)) == (4, 0, 0)


# -- personal data --------------------------------------------------------------------------------


def test_no_personal_data_lands(zone: LandingZone, dumps: Path) -> None:
    """The author's name also where nobody would look for it: in a folder, a file, a model."""
    home = dumps / "home" / "calvin" / f"{AUTHOR}_runs" / "org_model__main"
    shutil.copytree(results(dumps), home)
    (home / f"{AUTHOR}-predictions.jsonl").write_text("broken")
    record = json.loads((home / f"{group(0)}-metrics.json").read_text())
    record |= {
        "model_config": {"model": f"/weka/{AUTHOR}/ckpt/step_500", "user": "susan"},
        "extra_member": f"see /home/daneel/{AUTHOR}.txt or ask elijah@example.org",
    }
    (home / "other-metrics.json").write_text(json.dumps(record))
    assert counts(land(zone, dumps)) == (5, 0, 1)
    text = all_text(zone)
    for name in (AUTHOR, HOST, "calvin", "susan", "daneel", "elijah", "example.org"):
        assert name not in text, name
    (row,) = (row for row in landed(zone, "records") if row["file"] == "other-metrics.json")
    assert json.loads(row["model_config"])["model"].endswith("/step_500")
    job = json.loads(row["beaker_info"])
    assert job["BEAKER_EXPERIMENT_ID"] == "01JNC4X9Q4R0W3S6T1VZ8E2YKB"
    assert job["BEAKER_AUTHOR"].startswith(PREFIX)


def test_what_is_not_personal_stays(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps)
    for row in landed(zone, "records"):
        config = json.loads(row["task_config"])
        assert config["generation_kwargs"]["stop_sequences"] == ["</s>", "Question:"]
        assert config["dataset_path"].startswith("hub/")
        assert json.loads(row["model_config"])["model"] in dict(MODELS)
        assert json.loads(row["task_config"])["limit"] == 10**19
    kept = LandingZone(zone.root.parent / "kept")
    land(kept, dumps, key=None)
    for left, right in zip(landed(zone, "records"), landed(kept, "records"), strict=True):
        for key in ("task_config", "model_config", "metrics", "directory", "config_sha256"):
            assert left[key] == right[key]
    assert questions(zone) == questions(kept)


def test_a_word_that_is_the_name_of_nobody_stays(zone: LandingZone, tmp_path: Path) -> None:
    """Accounts such as `user` are words of every chat template."""
    folder = tmp_path / "home" / "user" / "m__r"
    folder.mkdir(parents=True)
    record = {
        "task_name": "x", "task_config": {"template": "user: {question} see </home/user/a>"},
        "metrics": {"pass@1": 0.5},
    }  # fmt: skip
    (folder / "x-metrics.json").write_text(json.dumps(record))
    land(zone, tmp_path / "home")
    (row,) = landed(zone, "records")
    assert row["directory"] == "home/user/m__r"
    assert json.loads(row["task_config"])["template"].startswith("user: {question} see </")
    assert json.loads(row["metrics"]) == {"pass@1": 0.5}


def test_one_zone_has_one_key(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps / OLDER)
    for key in ("another key, long enough", None):
        with pytest.raises(UsageError, match=r"pseudonym key|clear text"):
            land(zone, dumps, key=key)


def test_predictions_name_nobody(zone: LandingZone, tmp_path: Path) -> None:
    """Texts that a model has generated stay as they are; whatever else is text is cleaned."""
    folder = tmp_path / "m__r"
    folder.mkdir()
    (folder / "a-metrics.json").write_text(
        json.dumps({"task_name": "a", "beaker_info": {"author": {"name": "merry"}}})
    )
    text = "hello merry, mail elladan@example.org"
    documents = [
        {
            "doc_id": 0, "native_id": "/home/faramir/x", "host": "legolas", "note": "of merry",
            "metrics": {"acc_raw": 1, "judge_user": "thorin"}, "label": "a",
            "model_output": [{"continuation": text, "path": "/home/gimli/z", "by": "a@gimli.org"}],
        },
        {"doc_id": 1, "native_id": "test/algebra/1.json", "metrics": {}, "model_output": []},
    ]  # fmt: skip
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    (folder / "a-predictions.jsonl").write_text(lines)
    broken = {"doc_id": 0, "metrics": {"acc_raw": "of bilbo"}, "model_output": [{}]}
    (folder / "b-predictions.jsonl").write_text(json.dumps(broken) + "\n")
    assert counts(land(zone, tmp_path)) == (1, 0, 1)
    found = all_text(zone)
    for name in ("faramir", "legolas", "thorin", "gimli", "bilbo"):
        assert name not in found, name
    first, second = sorted(questions(zone), key=lambda row: row["doc_id"])
    extra = json.loads(first["extra"])
    assert extra["model_output"][0]["continuation"] == text and "merry" not in extra["note"]
    assert (second["native_id"], second["extra"]) == ("test/algebra/1.json", None)


@pytest.mark.parametrize("below", ["evals/m__r", "m__r", ""])
def test_a_folder_that_was_named_names_nobody(
    zone: LandingZone, tmp_path: Path, below: str
) -> None:
    home = tmp_path / "radagast"
    (home / below).mkdir(parents=True)
    (home / below / "metrics-all.jsonl").write_bytes(GOOD + b"broken\n")
    land(zone, home)
    land(zone, tmp_path / "radagast2")
    assert "radagast" not in all_text(zone)
    if below:
        assert {row["folder"] for row in landed(zone, "records")} == {"m__r"}


# -- which directory it is -------------------------------------------------------------------------


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


# -- while files change ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["metrics-all.jsonl", f"{group(3)}-predictions.jsonl"])
@pytest.mark.parametrize("change", ["unlink", "rewrite"])
def test_a_file_that_changes_is_refused(
    zone: LandingZone, dumps: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: str
) -> None:
    """New content never lands under an old digest."""
    path = results(dumps) / name
    old = path.read_bytes()
    hashed = lander._sha256_of

    def changing(file: File) -> str | None:
        sha256 = hashed(file)
        if file.path == path:
            path.unlink() if change == "unlink" else path.write_bytes(b"\n" + old)
        return sha256

    monkeypatch.setattr(lander, "_sha256_of", changing)
    assert counts(land(zone, dumps)) == (4, 0, 1)
    assert [reason for reason, _ in refusals(zone).values()] == ["changed"]
    check_zone(zone)
    monkeypatch.undo()
    path.write_bytes(old)
    assert counts(land(zone, dumps)) == (1, 3, 0)
    assert len(questions(zone)) == 2 * len(TASKS) * N


def test_what_nobody_expected_is_told_of_its_directory_alone(
    zone: LandingZone, dumps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = lander.Lander._land_predictions

    def failing(self: Any, batch: Any) -> int:
        if self._directory.path == results(dumps):
            raise ZeroDivisionError("of bilbo")
        return convert(self, batch)

    monkeypatch.setattr(lander.Lander, "_land_predictions", failing)
    assert counts(land(zone, dumps)) == (3, 0, 1)
    assert "bilbo" not in all_text(zone)
    check_zone(zone)


# -- sizes ----------------------------------------------------------------------------------------


def test_a_record_that_is_too_large(
    zone: LandingZone, dumps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extract.posttrain.files.MAX_RECORD_BYTES", 10_000)
    path = results(dumps) / "metrics-all.jsonl"
    large = json.dumps({"task_name": "a" * 20_000}).encode()
    path.write_bytes(GOOD + large + b"\n" + GOOD)
    assert counts(land(zone, dumps)) == (4, 0, 1)
    assert list(refusals(zone).values()) == [("too_large", 2)]


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


# -- odd names ------------------------------------------------------------------------------------


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


def test_a_cut_compressed_file_says_that_nothing_of_it_has_landed(
    zone: LandingZone, dumps: Path
) -> None:
    for kind in ("predictions.jsonl", "metrics.json"):
        path = results(dumps) / f"{group(0)}-{kind}"
        path.with_name(f"{path.name}.gz").write_bytes(cut(gzip.compress(path.read_bytes())))
        path.unlink()
    summary = land(zone, dumps)
    assert counts(summary) == (4, 0, 2)
    assert all("nothing of it has landed" in message for message in summary.messages)


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


# -- the command ----------------------------------------------------------------------------------


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
