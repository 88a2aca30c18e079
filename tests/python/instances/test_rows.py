"""`instances`: the rows that land are those of the files, to the last bit."""

from __future__ import annotations

import hashlib
import json
import math
import random
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from extract.instances.request import all_tasks
from extract.landing.zone import LandingZone
from extract.olmes import sql
from extract.simulator import instances as simulator
from tests.python.instances.testing import (
    KEYS,
    RECIPE,
    Files,
    N,
    changed,
    check_clean,
    counts,
    land,
    parquet,
    rows,
    tar_gz,
    with_metrics,
    write_archive,
)
from tests.python.simulator.test_instances import checkpoints_of
from tests.python.testing import (
    ROOT,
)


def test_the_rows_are_those_of_the_lines(zone: LandingZone, archive: Path) -> None:
    """Each against the JSON, read with Python alone; floats to the last bit."""
    assert counts(land(zone, archive)) == (4, 0, 0)
    check_clean(zone)
    found = {
        (row["params"], row["seed_number"], row["step"], row["task"], row["doc_id"]): row
        for row in rows(zone, "questions")
    }
    for name, files in checkpoints_of(archive):
        tar_name, params, seed, step = name.removesuffix(".tar.gz").split("/")
        key = (params, int(seed.partition("-")[2]), int(step.partition("-")[2]))
        for task in all_tasks():
            for line in files[f"{step}/{task}-predictions.jsonl"].splitlines():
                document = json.loads(line)
                row = found.pop((*key, task, document["doc_id"]))
                assert row["tar_name"] == tar_name
                check_row(row, document)
    assert not found


def check_row(row: dict[str, Any], document: dict[str, Any]) -> None:
    native_id = document["native_id"]
    kinds = {str: "text", int: "integer", type(None): "null"}
    assert row["native_id_kind"] == kinds[type(native_id)]
    assert row["native_id"] == (None if native_id is None else str(native_id))
    assert (row["label"], row["label_text"]) == (document["label"], str(document["label"]))
    metrics = document["metrics"]
    for key in (*simulator_keys("predicted_index"), "correct_choice", *simulator_keys("acc"),
                "no_answer"):  # fmt: skip
        assert row[key] == metrics.get(key), key
    assert row["corr_error"] < 1e-14 and row["identity_error"] < 1e-14
    assert row["extra"] is None
    assert len(row["choices"]) == len(document["model_output"])
    for found, choice in zip(row["choices"], document["model_output"], strict=True):
        for key in ("sum_logits", "sum_logits_uncond", "num_tokens", "num_tokens_all", "num_chars",
                    "is_greedy"):  # fmt: skip
            assert found[key] == choice.get(key), key
        per_char = simulator.BITS * choice["sum_logits"] / choice["num_chars"]
        is_derivable = math.isclose(choice["logits_per_byte"], per_char, rel_tol=1e-6)
        expected = None if is_derivable else choice["logits_per_byte"]
        assert found["logits_per_byte"] == expected


def simulator_keys(name: str) -> list[str]:
    return [f"{name}_{form}" for form in simulator.INDICES]


def test_the_tasks_are_those_of_metrics_json(zone: LandingZone, archive: Path) -> None:
    land(zone, archive)
    found = {
        (row["params"], row["seed_number"], row["step"], row["task"]): row
        for row in rows(zone, "tasks")
    }
    assert len(found) == 4 * 66

    with tarfile.open(archive) as tar:
        sha256 = {one.name: hashlib.sha256(tar.extractfile(one).read()).hexdigest() for one in tar}
    for name, files in checkpoints_of(archive):
        _, params, seed, step = name.removesuffix(".tar.gz").split("/")
        for task in all_tasks():
            key = (params, int(seed.partition("-")[2]), int(step.partition("-")[2]), task)
            row = found.pop(key)
            text = files[f"{step}/{task}-metrics.json"]
            record = json.loads(text)
            for column in ("task_name", "task_idx", "task_hash", "model_hash", "num_instances",
                           "processing_time"):  # fmt: skip
                assert row[column] == record[column]
            for column in ("metrics", "task_config", "model_config", "compute_config"):
                assert row[column].encode() in text  # to the letter
                assert json.loads(row[column]) == record[column]
            assert row["prediction_task_hash"] == record["task_hash"]
            assert row["prediction_model_hash"] == record["model_hash"]
            assert (row["n_prediction_hashes"], row["n_predictions"]) == (1, N)
            assert row["primary_metric"] == record["task_config"]["primary_metric"]
            assert row["primary_score"] == record["metrics"]["primary_score"]
            assert row["evaluated_at"] == record["current_date"]
            assert row["revision_step"] == row["step"]
            assert row["metrics_sha256"] == hashlib.sha256(text).hexdigest()
            assert row["tarball_sha256"] == sha256[name]
            assert row["member"] == f"{name}/{step}/{task}-predictions.jsonl"
    assert not found


def test_each_checkpoint_is_a_batch_with_two_sorted_files(zone: LandingZone, archive: Path) -> None:
    land(zone, archive)
    manifests = list(zone.manifests("instances", RECIPE))
    assert len(manifests) == 4
    folders = set()
    for manifest in manifests:
        kinds = {file.kind: file for file in manifest.files}
        assert set(kinds) == {"tasks", "questions", "outcomes"}
        assert (kinds["tasks"].rows, kinds["questions"].rows) == (66, 66 * N)
        for kind in ("tasks", "questions"):
            file = kinds[kind]
            assert (file.entity, file.project) == (RECIPE, None)
            folder, _, name = file.path.rpartition("/")
            assert name.startswith(manifest.batch_id) and name.endswith(f"-{kind}.parquet")
            folders.add(folder)
        asked = manifest.arguments
        assert asked["from"] == {"path": f"{RECIPE}.tar.gz"}  # and not whose folder it was in
        order = duckdb.execute(
            f"select task, doc_id from '{zone.root / kinds['questions'].path}'"
        ).fetchall()
        assert order == sorted(order)
    assert folders == {
        f"instances/recipe={RECIPE}/params={params}/seed={seed}/step={step}"
        for params, seed, step in KEYS
    }


def test_files_have_the_types_that_the_models_expect(zone: LandingZone, archive: Path) -> None:
    land(zone, archive, tasks=["boolq"], steps=[2500])
    for kind in ("tasks", "questions"):
        (path,) = parquet(zone, kind)
        expected = ROOT / "models" / "base" / "instances" / "empty" / f"{kind}.parquet"
        described = [
            duckdb.execute(
                f"select column_name, column_type from (describe from read_parquet('{file}', "
                "hive_partitioning = false))"
            ).fetchall()
            for file in (path, expected)
        ]
        assert described[0] == described[1]


def land_changed(zone: LandingZone, folder: Path, files: Files, task: str) -> list[dict[str, Any]]:
    """Land one checkpoint; the rows of a task."""
    summary = land(zone, write_archive(folder, {KEYS[0]: tar_gz(files.items())}))
    assert counts(summary) == (1, 0, 0), summary.messages
    return [row for row in rows(zone, "questions") if row["task"] == task]


def test_fields_that_nobody_knows_are_kept(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """In one document among others: what the first line does not have is seen, too."""

    def change(document: dict[str, Any]) -> None:
        document["new"] = {"a": [1, None, 10**19, 0.1]}
        document["metrics"]["f1"] = 0.25
        document["model_output"][1]["continuation"] = "é\n"

    files = changed(checkpoint_files(), "piqa", change, only=3)
    found = land_changed(zone, tmp_path, files, "piqa")
    assert [row["extra"] for row in found if row["doc_id"] != 3] == [None] * (N - 1)
    assert json.loads(found[3]["extra"]) == {
        "new": {"a": [1, None, 10**19, 0.1]},
        "metrics": {"f1": 0.25},
        "model_output": [{}, {"continuation": "é\n"}],
    }
    plain = LandingZone(tmp_path / "plain")
    expected = land_changed(plain, tmp_path, checkpoint_files(), "piqa")
    assert [row | {"extra": None} for row in found] == expected


def test_fields_that_all_lines_of_a_task_have_more_are_kept(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["metrics"]["brier_score"] = 0.25

    files = changed(checkpoint_files(), "csqa", change)
    for row in land_changed(zone, tmp_path, files, "csqa"):
        assert json.loads(row["extra"]) == {"metrics": {"brier_score": 0.25}}
    assert all(row["extra"] is None for row in rows(zone, "questions") if row["task"] != "csqa")


def test_a_metric_under_its_older_and_its_newer_name_is_one(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    def change(document: dict[str, Any]) -> None:
        document["metrics"]["bits_per_byte_corr"] = document["metrics"]["logits_per_byte_corr"]

    files = changed(checkpoint_files(), "csqa", change)
    for row in land_changed(zone, tmp_path, files, "csqa"):
        assert row["extra"] is None and row["corr_error"] < 1e-9


def test_what_is_absent_stays_null(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    def change(document: dict[str, Any]) -> None:
        del document["native_id"], document["label"], document["task_hash"]
        for key in ("acc_per_byte", "no_answer", "predicted_index_per_byte", *sql.CORR):
            del document["metrics"][key]
        for choice in document["model_output"]:
            for key in ("logits_per_token", "logits_per_char", "logits_per_byte", "is_greedy",
                        "num_tokens_all"):  # fmt: skip
                del choice[key]

    files = changed(checkpoint_files(), "arc_easy", change)
    for row in land_changed(zone, tmp_path, files, "arc_easy"):
        for key in (
            "native_id", "label", "label_text", "acc_per_byte", "no_answer", "extra",
            "predicted_index_per_byte", "corr_error", "identity_error",
        ):  # fmt: skip
            assert row[key] is None, key
        assert row["native_id_kind"] == "null"
        assert row["acc_raw"] is not None
        for choice in row["choices"]:
            assert choice["is_greedy"] is choice["num_tokens_all"] is None
            assert choice["logits_per_byte"] is None and choice["sum_logits"] < 0
    (task,) = [row for row in rows(zone, "tasks") if row["task"] == "arc_easy"]
    assert task["prediction_task_hash"] is None
    assert task["prediction_model_hash"] == task["model_hash"]


def test_labels_and_ids_of_every_kind(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    ids = ['say "hi"', "back\\slash: ü", "", -12, 2**63, 1.5, None]
    labels = ["A", "2", 1, None, True, 2.0, -1]
    numbers = iter(range(N))

    def change(document: dict[str, Any]) -> None:
        number = next(numbers)
        document["native_id"], document["label"] = ids[number], labels[number]

    files = changed(checkpoint_files(), "openbookqa", change)
    found = land_changed(zone, tmp_path, files, "openbookqa")
    kinds = ["text", "text", "text", "integer", "integer", "other", "null"]
    assert [row["native_id_kind"] for row in found] == kinds
    assert [row["native_id"] for row in found] == [
        'say "hi"', "back\\slash: ü", "", "-12", str(2**63), "1.5", None,
    ]  # fmt: skip
    assert [row["label"] for row in found] == [None, None, 1, None, None, None, -1]
    assert [row["label_text"] for row in found] == ["A", "2", "1", None, "true", "2.0", "-1"]
    assert found[6]["corr_error"] is None  # there is no such choice


def test_doubles_come_through_to_the_last_bit(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    clock = random.Random(20_250_411)
    doubles = [-5e-324, -2.2250738585072014e-308, -1.7976931348623157e308, -0.0, -0.1, -1e22]
    written: list[float] = []

    def change(document: dict[str, Any]) -> None:
        for choice in document["model_output"]:
            while True:
                (value,) = struct.unpack("d", clock.randbytes(8))
                if math.isfinite(value):
                    break
            choice["sum_logits"] = doubles.pop() if doubles else value
            written.append(choice["sum_logits"])

    files = changed(checkpoint_files(), "hellaswag", change)
    found = land_changed(zone, tmp_path, files, "hellaswag")
    landed_doubles = [choice["sum_logits"] for row in found for choice in row["choices"]]
    assert list(map(float.hex, landed_doubles)) == list(map(float.hex, written))


def test_differences_from_what_follows_are_measured(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    def change(document: dict[str, Any]) -> None:
        choice = document["model_output"][document["label"]]
        match document["doc_id"]:
            case 1:
                choice["logits_per_token"] *= 1 + 1e-3
            case 2:
                document["metrics"]["sum_logits_corr"] *= 1 - 1e-4
            case 3:
                choice["logits_per_byte"] *= 0.93
            case 4:
                document["metrics"]["logits_per_byte_corr"] *= 2

    files = changed(checkpoint_files(), "arc_challenge", change)
    found = land_changed(zone, tmp_path, files, "arc_challenge")
    identity = [row["identity_error"] for row in found]
    corr = [row["corr_error"] for row in found]
    assert math.isclose(identity[1], 1e-3, rel_tol=0.01)
    assert max(identity[:1] + identity[2:3] + identity[4:]) < 1e-14
    assert math.isclose(corr[2], 1e-4, rel_tol=0.01) and math.isclose(corr[4], 0.5, rel_tol=0.01)
    # No count of bytes gives this one, so it is kept.
    kept = [choice["logits_per_byte"] for choice in found[3]["choices"]]
    assert sum(value is not None for value in kept) == 1
    assert max(corr[0], corr[1], corr[5], corr[6]) < 1e-14


def test_other_spellings_of_a_task_are_taken(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    change = with_metrics("piqa", lambda record: record.update(task_name="PIQA:rc::olmes"))
    land_changed(zone, tmp_path, change(checkpoint_files()), "piqa")
    assert "PIQA:rc::olmes" in {row["task_name"] for row in rows(zone, "tasks")}


def test_a_time_beyond_every_double_lands(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    change = with_metrics("piqa", lambda record: record.update(processing_time=10**400))
    land_changed(zone, tmp_path, change(checkpoint_files()), "piqa")
    (task,) = [row for row in rows(zone, "tasks") if row["task"] == "piqa"]
    assert task["processing_time"] == math.inf


def test_an_unknown_field_in_the_choices_of_the_largest_task_is_kept(
    zone: LandingZone, tmp_path: Path
) -> None:
    """It once took more memory than there is, and the whole call with it."""
    made = simulator.checkpoint_files(RECIPE, *KEYS[0])
    files = {f"step-{KEYS[0][2]}/{name}": content for name, content in made}

    def change(document: dict[str, Any]) -> None:
        for choice in document["model_output"]:
            choice["num_bytes"] = choice["num_chars"]

    found = land_changed(zone, tmp_path, changed(files, "hellaswag", change), "hellaswag")
    assert len(found) == 10_042
    for row in found:
        extra = json.loads(row["extra"])["model_output"]
        assert extra == [{"num_bytes": choice["num_chars"]} for choice in row["choices"]]
    check_clean(zone)


def test_limits_beyond_every_integer_are_kept_to_the_letter(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """`limit` is 1e19 in the archives, above 64 bits."""
    files = with_metrics("piqa", lambda record: record["task_config"].update(limit=10**19))(
        checkpoint_files()
    )
    land_changed(zone, tmp_path, files, "piqa")
    (task,) = [row for row in rows(zone, "tasks") if row["task"] == "piqa"]
    assert '"limit": 10000000000000000000,' in task["task_config"]
