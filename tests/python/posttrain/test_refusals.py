"""`posttrain`: what cannot land is told, and the rest lands."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone
from extract.posttrain import lander
from extract.posttrain.files import File
from extract.simulator.posttrain import NEWER, TASKS
from tests.python.posttrain.testing import (
    GOOD,
    N,
    all_text,
    counts,
    cut,
    group,
    land,
    questions,
    refusals,
    results,
)
from tests.python.testing import (
    KEY,
    check_zone,
    landed,
)

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n"


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new)


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


def test_results_of_another_harness_are_refused_in_one_sentence(
    zone: LandingZone, dumps: Path
) -> None:
    """Once for a folder; a `results.json` of anybody else is no such thing."""
    folder = dumps / "lm_eval" / "org__model"
    folder.mkdir(parents=True)
    results_json = {"results": {"arc_easy": {"acc,none": 0.5}}, "versions": {"arc_easy": 1}}
    (folder / "results_2025-06-01T10-00-00.000001.json").write_text(json.dumps(results_json))
    for task in ("arc_easy", "boolq"):
        (folder / f"samples_{task}_2025-06-01T10-00-00.000001.jsonl").write_text('{"doc_id": 0}')
    other = dumps / "mine__main"
    other.mkdir()
    (other / "results.json").write_text('{"results": [1, 2]}')
    summary = land(zone, dumps)
    assert counts(summary) == (4, 0, 1)
    assert refusals(zone) == {"org__model": ("other_harness", None)}
    assert "lm-evaluation-harness" in summary.messages[0]
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


def test_a_record_that_is_too_large(
    zone: LandingZone, dumps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extract.posttrain.files.MAX_RECORD_BYTES", 10_000)
    path = results(dumps) / "metrics-all.jsonl"
    large = json.dumps({"task_name": "a" * 20_000}).encode()
    path.write_bytes(GOOD + large + b"\n" + GOOD)
    assert counts(land(zone, dumps)) == (4, 0, 1)
    assert list(refusals(zone).values()) == [("too_large", 2)]


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
