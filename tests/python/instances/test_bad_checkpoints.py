"""`instances`: a checkpoint that cannot land is refused, and the others land."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extract.instances import archive as instances_archive
from extract.instances import recipe
from extract.landing.zone import LandingZone
from extract.olmes import convert as instances_convert
from tests.python.instances.testing import (
    KEYS,
    RECIPE,
    Files,
    N,
    changed,
    check_clean,
    counts,
    keys_of,
    land,
    line_cut,
    reasons,
    tar_gz,
    with_metrics,
    without,
    write_archive,
)


def with_document(task: str, change: Callable[[dict[str, Any]], Any], only: int | None = 2) -> Any:
    return lambda files: changed(files, task, change, only=only)


def with_line(task: str, line: bytes) -> Callable[[Files], Files]:
    """One more line, in the middle."""

    def apply(files: Files) -> Files:
        name = f"step-1250/{task}-predictions.jsonl"
        lines = files[name].splitlines(keepends=True)
        return files | {name: b"".join([*lines[:3], line + b"\n", *lines[3:]])}

    return apply


def with_member(name: str, content: bytes = b"") -> Callable[[Files], Files]:
    return lambda files: files | {name: content}


BAD_FILES: dict[str, tuple[Callable[[Files], Files], str, str]] = {
    "a line that is cut": (line_cut, "malformed_line", f"piqa: line {N} of its predictions"),
    "a line that is no JSON": (
        with_line("boolq", b"{'doc_id': 1}"), "malformed_line", "boolq: line 4 of its predictions"),
    "a line that is no object": (
        with_line("boolq", b"[1]"), "malformed_line", "boolq: line 4 of its predictions"),
    "a line that is null": (with_line("boolq", b"null"), "no_doc_id", "boolq: 1 of"),
    "a choice that is text": (
        with_document("csqa", lambda document: document.update(model_output="A")),
        "unknown_shape", "csqa"),
    "a number that is text": (
        with_document("csqa", lambda document: document["metrics"].update(acc_raw="high")),
        "unknown_shape", "csqa"),
    "an index that is none": (
        with_document("csqa", lambda document: document["metrics"].update(correct_choice=1.5)),
        "not_an_index", "csqa: 1 of its predictions"),
    "no metrics.json": (without("/piqa-metrics.json"), "missing_metrics", "piqa"),
    "no predictions": (without("/piqa-predictions.jsonl"), "missing_predictions", "piqa"),
    "no files of a task": (
        without("/piqa-predictions.jsonl", "/piqa-metrics.json"), "missing_tasks", "(piqa)"),
    "no files at all": (lambda _: {}, "missing_tasks", "66 of the 66"),
    "metrics.json that is cut": (
        lambda files: files | {"step-1250/piqa-metrics.json": b'{"metrics": {"a": 1'},
        "bad_metrics", "piqa"),
    "metrics.json without metrics": (
        with_metrics("piqa", lambda record: record.pop("metrics")), "bad_metrics", "`metrics`"),
    "a document twice": (
        with_document("boolq", lambda document: document.update(doc_id=0)),
        "repeated_doc", "boolq: 1 of its predictions"),
    "a document without a number": (
        with_document("boolq", lambda document: document.update(doc_id=None)),
        "no_doc_id", "boolq: 1 of its predictions"),
    "fewer lines than instances": (
        with_metrics("boolq", lambda record: record.update(num_instances=N + 1)),
        "wrong_count", f"{N} predictions, its metrics.json says {N + 1}"),
    "predictions of another model": (
        with_metrics("boolq", lambda record: record.update(model_hash="f" * 32)),
        "wrong_hash", "boolq"),
    "predictions of two models": (
        with_document("boolq", lambda document: document.update(model_hash="f" * 32)),
        "wrong_hash", "boolq"),
    "the model of another step": (
        with_metrics("boolq", lambda record: record["model_config"].update(
            revision="step2500-unsharded-hf")),
        "wrong_step", "boolq: was evaluated on step2500-unsharded-hf"),
    "the folder of another step": (
        lambda files: {name.replace("1250", "1251"): files[name] for name in files},
        "wrong_step", "step-1251"),
    "a file twice": (
        with_member("step-1250/task-001-boolq-metrics.json", b"{}"), "repeated_file", "boolq"),
    "metrics.json of another task": (
        with_metrics("boolq", lambda record: record.update(task_name="piqa::olmes")),
        "wrong_task", "boolq: its metrics.json is of task piqa"),
    "a count that is none": (
        with_document("csqa", lambda document: document["model_output"][0].update(num_tokens=2.7)),
        "not_an_index", "csqa: 1 of its predictions"),
    "a count that is too large": (
        with_document("csqa", lambda document: document["model_output"][1].update(num_chars=2**40)),
        "not_an_index", "csqa: 1 of its predictions"),
    "a path upwards": (with_member("step-1250/../../evil-metrics.json"), "unsafe_path", "evil"),
    "an absolute path": (with_member("/tmp/evil-metrics.json"), "unsafe_path", "evil"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_bad_checkpoint_is_refused_and_the_others_land(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files], what: str
) -> None:
    change, reason, message = BAD_FILES[what]
    good = tar_gz(checkpoint_files(KEYS[1]).items())
    bad = tar_gz(change(checkpoint_files()).items())
    path = write_archive(tmp_path / "source", {KEYS[0]: bad, KEYS[1]: good})
    summary = land(zone, path)
    assert counts(summary) == (1, 0, 1), summary.messages
    assert reasons(zone) == {"dolma1.7/150M/seed-2/step-1250": reason}
    assert message in summary.messages[0] and "dolma1.7" in summary.messages[0]
    assert keys_of(zone) == {(RECIPE, *KEYS[1]): 66}
    check_clean(zone)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "raw"}
    # What the other tasks of a checkpoint are is not in doubt.
    if reason not in ("unsafe_path", "wrong_step", "missing_tasks"):
        assert land(zone, path, tasks=["winogrande"], steps=[1250]).refused == 0
    # Mended, it lands, and nothing else does.
    shutil.rmtree(zone.root / "x", ignore_errors=True)
    mended = write_archive(
        tmp_path / "mended", {KEYS[0]: tar_gz(checkpoint_files().items()), KEYS[1]: good}
    )
    assert counts(land(zone, mended)) == (1, 1, 0)
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS[:2]}


def test_an_unknown_task_is_refused_and_the_checkpoint_lands(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    files = checkpoint_files() | {"step-1250/gsm8k-predictions.jsonl": b"{}\n",
                                  "step-1250/gsm8k-metrics.json": b"{}"}  # fmt: skip
    path = write_archive(tmp_path, {KEYS[0]: tar_gz(files.items())})
    summary = land(zone, path)
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {"dolma1.7/150M/seed-2/step-1250/gsm8k": "unknown_task"}
    assert keys_of(zone) == {(RECIPE, *KEYS[0]): 66}
    check_clean(zone)


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MAX_CHECKPOINT_BYTES", 200_000, "too_large"),
        ("MAX_CHECKPOINT_MEMBERS", 131, "too_many_members"),
        ("MAX_METRICS_BYTES", 100, "too_large"),
    ],
)
def test_a_checkpoint_beyond_the_limits_is_refused(
    zone: LandingZone, archive: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int,
    reason: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(instances_archive, limit, value)
    summary = land(zone, archive)
    assert counts(summary) == (0, 0, 4)
    assert set(reasons(zone).values()) == {reason}
    assert limit in summary.messages[0]
    check_clean(zone)


def test_a_checkpoint_that_does_not_fit_into_memory_is_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """Lines of 3.8 MB were read, and did not fit when they were written."""
    clock = random.Random(20_250_412)
    numbers = iter(range(40))

    def change(document: dict[str, Any]) -> None:
        document["doc_id"] = next(numbers)
        document["native_id"] = clock.randbytes(1_900_000).hex()

    files = checkpoint_files()
    name = "step-1250/piqa-predictions.jsonl"
    files[name] = b"".join(files[name].splitlines(keepends=True)[:1] * 40)
    files = with_metrics("piqa", lambda record: record.update(num_instances=40))(files)
    bad = tar_gz(changed(files, "piqa", change).items())
    good = tar_gz(checkpoint_files(KEYS[1]).items())
    assert counts(land(zone, write_archive(tmp_path, {KEYS[0]: bad, KEYS[1]: good}))) == (1, 0, 1)
    assert set(reasons(zone).values()) == {"too_large"}
    check_clean(zone)


@pytest.mark.parametrize(
    "broken", ["extract.instances.recipe.unpack", "extract.olmes.convert.Converter._convert"]
)
def test_an_error_that_nobody_thought_of_is_of_one_checkpoint(
    zone: LandingZone, archive: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    module, name = broken.removesuffix("._convert").rsplit(".", 1)
    owner, name = (
        (getattr(sys.modules[module], name), "_convert") if broken.endswith("_convert")
        else (sys.modules[module], name)
    )  # fmt: skip
    whole = getattr(owner, name)
    calls = iter(range(10))

    def fails_once(*arguments: Any) -> Any:
        if next(calls) == 1:
            raise RuntimeError("what\nis this")
        return whole(*arguments)

    monkeypatch.setattr(owner, name, fails_once)
    summary = land(zone, archive)
    assert counts(summary) == (3, 0, 1)
    assert set(reasons(zone).values()) == {"unreadable"}
    assert "(RuntimeError: what)" in summary.messages[0]
    check_clean(zone)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), MemoryError()])
def test_what_is_wrong_with_the_machine_is_no_refusal(
    zone: LandingZone, archive: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for owner, name in ((recipe, "unpack"), (instances_convert.Converter, "_convert")):

        def fails(*_: Any) -> Any:
            raise error

        with monkeypatch.context() as patch, pytest.raises(type(error)):
            patch.setattr(owner, name, fails)
            land(zone, archive)
        check_clean(zone)
    assert reasons(zone) == {}
