"""`instances`: nested tarballs, as they are published and as they are not."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import multiprocessing
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.errors import InputError, UsageError
from extract.huggingface.hub import is_offline
from extract.instances import archive as instances_archive
from extract.instances import pipeline as instances
from extract.instances import streams
from extract.instances.pipeline import REPO_ID, REVISION, Request, Summary, all_tasks
from extract.landing.zone import LandingZone
from extract.olmes import convert as instances_convert
from extract.olmes import sql
from extract.simulator import instances as simulator
from tests.python.huggingface.double import Blob, HubDouble
from tests.python.simulator.test_instances import checkpoints_of
from tests.python.testing import (
    ROOT,
    check_zone,
    cli,
    environment,
    files_of,
    landed,
    peak_memory,
    summary_of,
)

RECIPE = "dolma1.7"
OTHER = "dolma1.7-no-code"  # of which the other's name is the beginning
KEYS = [("150M", 2, 1250), ("150M", 2, 2500), ("150M", 14, 1250), ("4M", 2, 1250)]
N = 7  # questions of a task
Key = tuple[str, int, int]
Files = dict[str, bytes]
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["extract.instances.pipeline", "pytest", "tests.python.instances.test_instances"]
)


# -- archives -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated tarball of four checkpoints."""
    folder = tmp_path_factory.mktemp("archive")
    return simulator.write(folder, RECIPE, checkpoints=KEYS, questions_per_task=N).path


@pytest.fixture(scope="session")
def checkpoint_files() -> Callable[..., Files]:
    """The files of one checkpoint, to be changed."""

    def files(key: Key = KEYS[0], tar_name: str = RECIPE) -> Files:
        made = simulator.checkpoint_files(tar_name, *key, questions_per_task=N)
        return {f"step-{key[2]}/{name}": content for name, content in made}

    return files


def tar_gz(members: Iterable[tuple[str | tarfile.TarInfo, bytes]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def write_archive(
    folder: Path,
    inner: Mapping[Key, bytes] | Sequence[tuple[str | tarfile.TarInfo, bytes]],
    tar_name: str = RECIPE,
) -> Path:
    """A recipe's tarball of the given inner tarballs."""
    members = (
        [(simulator.member_name(tar_name, *key), content) for key, content in inner.items()]
        if isinstance(inner, Mapping)
        else inner
    )
    folder.mkdir(exist_ok=True)
    path = folder / f"{tar_name}.tar.gz"
    path.write_bytes(tar_gz(members))
    return path


def land(
    zone: LandingZone, *paths: Path, recipes: Sequence[str] = (RECIPE,), **asked: Any
) -> Summary:
    return instances.land_source(zone, paths, Request.of(recipes, **asked))


def counts(summary: Summary) -> tuple[int, int, int]:
    return summary.checkpoints, summary.already_landed, summary.refused


def parquet(zone: LandingZone, kind: str) -> list[str]:
    return [
        str(zone.root / file.path)
        for manifest in zone.manifests("instances") for file in manifest.files if file.kind == kind
    ]  # fmt: skip


def rows(zone: LandingZone, kind: str) -> list[dict[str, Any]]:
    """All landed rows, as the warehouse finds them: by the manifests."""
    paths = parquet(zone, kind)
    if not paths:
        return []
    result = duckdb.execute(
        f"select * from read_parquet({paths}, hive_partitioning = false, union_by_name = true)"
    )
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def content(zone: LandingZone) -> dict[str, Counter[str]]:
    """What has landed, whatever the order."""
    return {
        kind: Counter(json.dumps(row, sort_keys=True) for row in rows(zone, kind))
        for kind in ("tasks", "questions")
    }


def keys_of(zone: LandingZone) -> Counter[tuple[Any, ...]]:
    return Counter(
        (row["tar_name"], row["params"], row["seed_number"], row["step"])
        for row in rows(zone, "tasks")
    )


def reasons(zone: LandingZone) -> dict[str, str]:
    """The reason of each refused item."""
    return {
        record["item"]: record["reason"]
        for record in landed(zone, "outcomes") if record["status"] == "refused"
    }  # fmt: skip


def check_clean(zone: LandingZone) -> None:
    check_zone(zone)
    assert list((zone.root / "_tmp").iterdir()) == []


# -- landing --------------------------------------------------------------------------------------


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


# -- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"params": ["4m"]}, KEYS[3:]),
        ({"seeds": ["14"]}, KEYS[2:3]),
        ({"seeds": ["default"], "params": ["150M"]}, KEYS[:2]),
        ({"seeds": ["small_aux_2", "Small Aux-2"]}, KEYS[2:3]),
        ({"steps": [2500]}, KEYS[1:2]),
        ({"steps": [1250, 2500], "params": ["150M", "4M"], "seeds": ["2"]},
         [KEYS[0], KEYS[1], KEYS[3]]),
    ],
)  # fmt: skip
def test_filters(
    zone: LandingZone, archive: Path, asked: dict[str, Any], expected: list[Key]
) -> None:
    assert counts(land(zone, archive, **asked)) == (len(expected), 0, 0)
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in expected}


def test_the_task_filter_also_takes_suites(zone: LandingZone, archive: Path) -> None:
    land(zone, archive, steps=[2500], tasks=["BoolQ", "piqa"])
    assert {row["task"] for row in rows(zone, "tasks")} == {"boolq", "piqa"}
    land(zone, archive, steps=[2500], tasks=["mmlu"])
    assert len(rows(zone, "tasks")) == 59


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"steps": [99]}, "--step 99"),
        ({"seeds": ["2", "15"], "params": ["1B", "4M"]}, "--params 1B, --seed 15"),
        ({"seeds": ["14"], "steps": [2500]}, "with these options together"),
    ],
)
def test_what_an_archive_does_not_have_is_told(
    zone: LandingZone, archive: Path, asked: dict[str, Any], why: str
) -> None:
    summary = land(zone, archive, **asked)
    assert summary.refused == 1 and why in summary.messages[0]
    assert set(reasons(zone).values()) == {"no_such_checkpoint"}


# -- again ----------------------------------------------------------------------------------------


def test_what_has_landed_is_not_converted_again(zone: LandingZone, archive: Path) -> None:
    land(zone, archive, steps=[1250])
    before = files_of(zone)
    assert counts(land(zone, archive, steps=[1250])) == (0, 3, 0)
    assert files_of(zone) == before
    assert counts(land(zone, archive)) == (1, 3, 0)
    assert files_of(zone).items() > before.items()
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}


def test_tasks_that_were_left_out_land_later(zone: LandingZone, archive: Path) -> None:
    whole = LandingZone(zone.root.parent / "whole")
    land(whole, archive)
    assert counts(land(zone, archive, tasks=["piqa"], params=["4M"])) == (1, 0, 0)
    assert counts(land(zone, archive, tasks=["piqa", "csqa"])) == (4, 0, 0)
    assert counts(land(zone, archive)) == (4, 0, 0)
    assert counts(land(zone, archive)) == (0, 4, 0)
    assert content(zone) == content(whole)
    check_clean(zone)


def test_a_checkpoint_that_is_in_an_archive_twice_lands_once(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    name = simulator.member_name(RECIPE, *KEYS[0])
    path = write_archive(
        tmp_path, [(name, inner), (name.upper().replace("TAR.GZ", "tar.gz"), inner)]
    )
    assert counts(land(zone, path)) == (1, 0, 0)
    assert keys_of(zone) == {(RECIPE, *KEYS[0]): 66}


def copies(zone: LandingZone, folder: Path, *contents: bytes) -> Summary:
    name = simulator.member_name(RECIPE, *KEYS[0])
    names = [name, name.replace("seed-2", "Seed-02"), name.replace("150M", "150m")]
    return land(zone, write_archive(folder, list(zip(names, contents, strict=False))))


def test_the_first_copy_of_a_checkpoint_that_can_be_read_lands(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """The second was once dropped without a word, also where the first was damaged."""
    files = checkpoint_files()
    whole = tar_gz(files.items())
    for number, damaged in enumerate((whole[:-9], tar_gz(line_cut(files).items()))):
        found = LandingZone(tmp_path / f"raw-{number}")
        assert counts(copies(found, tmp_path, damaged, whole, whole)) == (1, 0, 1)
        assert keys_of(found) == {(RECIPE, *KEYS[0]): 66}
        check_clean(found)
    other = tar_gz(changed(files, "piqa", lambda document: document.update(label=0)).items())
    summary = copies(zone, tmp_path, whole, other, whole)
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {"dolma1.7/150M/seed-2/step-1250": "repeated_checkpoint"}
    assert hashlib.sha256(other).hexdigest()[:8] in summary.messages[0]
    (sha256,) = {row["tarball_sha256"] for row in rows(zone, "tasks")}
    assert sha256 == hashlib.sha256(whole).hexdigest()
    assert counts(copies(zone, tmp_path, whole, other)) == (0, 1, 0)


# -- other layouts --------------------------------------------------------------------------------


def unpacked(archive: Path, folder: Path, *, steps: bool) -> Path:
    """The tree that an archive unpacks to, also its inner tarballs if ``steps``."""
    for name, files in checkpoints_of(archive):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not steps:
            path.write_bytes(tar_gz(files.items()))
            continue
        for file, content in files.items():
            (path.parent / file).parent.mkdir(exist_ok=True)
            (path.parent / file).write_bytes(content)
    return folder


@pytest.mark.parametrize("steps", [False, True], ids=["tarballs", "folders"])
@pytest.mark.parametrize("where", [".", RECIPE, ".."])
def test_unpacked_trees(
    zone: LandingZone, archive: Path, tmp_path: Path, steps: bool, where: str
) -> None:
    whole = LandingZone(tmp_path / "whole")
    land(whole, archive)
    models = unpacked(archive, tmp_path / "source" / "models", steps=steps)
    (models / RECIPE / ".DS_Store").write_text("left by a file manager")
    summary = land(zone, (models / where).resolve())
    assert counts(summary) == (4, 0, 0), summary.messages
    check_clean(zone)
    for kind, counted in content(zone).items():
        assert sum(counted.values()) == sum(content(whole)[kind].values())
    assert content(zone)["questions"] == content(whole)["questions"]
    assert all((row["tarball_sha256"] is None) == steps for row in rows(zone, "tasks"))


def test_a_tarball_and_a_tree_of_it_land_once(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    source = unpacked(archive, tmp_path / "source", steps=True)
    shutil.copy(archive, source / archive.name)
    assert counts(land(zone, source)) == (4, 4, 0)
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}


def test_letter_case_and_prefixes_of_paths_do_not_matter(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """Directories in the published tarballs are spelled unlike the tarball (`Dolma1.7-...`)."""
    inner = tar_gz(
        (f"./{name.replace('step', 'Step').replace('-predictions', '-Predictions')}", content)
        for name, content in checkpoint_files().items()
    )
    path = write_archive(tmp_path, [("./models/Dolma1.7/150m/Seed-2/Step-1250.tar.gz", inner)])
    renamed = path.rename(tmp_path / "DOLMA1.7.tar.gz")
    assert counts(land(zone, renamed)) == (1, 0, 0)
    assert keys_of(zone) == {(RECIPE, "150M", 2, 1250): 66}


def test_raw_names_of_olmes_land(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    files = {}
    for number, (name, content) in enumerate(checkpoint_files().items()):
        folder, _, file = name.partition("/")
        files[f"{folder}/task-{number // 2:03}-{file}"] = content
        if name.endswith("predictions.jsonl"):
            for kind in ("requests.jsonl", "requests.jsonl.gz", "recorded-inputs.jsonl",
                         "verbose-metrics.json"):  # fmt: skip
                task = file.removesuffix("-predictions.jsonl")
                files[f"{folder}/task-{number // 2:03}-{task}-{kind}"] = b"of no interest {"
    files["step-1250/metrics.json"] = b"a summary"
    files["step-1250/metrics-all.jsonl"] = b'{"task_name": "mmlu"}\n'
    summary = land(zone, write_archive(tmp_path, {KEYS[0]: tar_gz(files.items())}))
    assert counts(summary) == (1, 0, 0), summary.messages
    assert {row["task"] for row in rows(zone, "tasks")} == set(all_tasks())


def test_flat_predictions_land(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    files = {name.replace("-predictions", ""): content
             for name, content in checkpoint_files().items()}  # fmt: skip
    assert counts(land(zone, write_archive(tmp_path, {KEYS[0]: tar_gz(files.items())}))) == (
        1,
        0,
        0,
    )


def test_tars_of_other_makers(
    zone: LandingZone, archive: Path, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """GNU tar writes long names, pax headers and folders; gzip may be written in pieces."""
    tree = tmp_path / "tree"
    long = "a-folder-with-a-name-that-does-not-fit-into-the-header-of-a-tar-" * 2
    for name, content in checkpoint_files().items():
        file = tree / long / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    results = []
    for number, form in enumerate(("gnu", "pax", "ustar")):
        member = tree / RECIPE / "150M" / "seed-2" / f"step-{1250}.tar.gz"
        member.parent.mkdir(parents=True, exist_ok=True)
        source = tree / long
        subprocess.run(
            ["tar", f"--format={form}", "-C", source, "-czf", member,
             *(["--transform", "s,^,./,"] if number else []), "step-1250"],
            check=True,
        )  # fmt: skip
        path = tmp_path / form / f"{RECIPE}.tar.gz"
        path.parent.mkdir()
        raw = subprocess.run(
            ["tar", f"--format={form}", "-C", tree, "-cf", "-", RECIPE],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
        half = len(raw) // 2
        path.write_bytes(gzip.compress(raw[:half]) + gzip.compress(raw[half:]) + bytes(4096))
        found = LandingZone(tmp_path / f"raw-{form}")
        summary = land(found, path)
        assert counts(summary) == (1, 0, 0), summary.messages
        results.append(content_alone(found))
    assert results[0] == results[1] == results[2]


def content_alone(zone: LandingZone) -> list[str]:
    """Without what tells of the container."""
    container = {"member": "", "tarball_sha256": ""}
    return sorted(json.dumps(row | container) for row in rows(zone, "tasks"))


# -- values ---------------------------------------------------------------------------------------


def changed(
    files: Files, task: str, change: Callable[[dict[str, Any]], Any], *, only: int | None = None
) -> Files:
    """The predictions of a task with each document, or one, changed."""
    name = next(name for name in files if name.endswith(f"/{task}-predictions.jsonl"))
    documents = [json.loads(line) for line in files[name].splitlines()]
    for number, document in enumerate(documents):
        if only in (None, number):
            change(document)
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    return files | {name: lines.encode()}


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
        document["metrics"]["bits_per_byte_corr"] = document["metrics"]["logits_per_byte_corr"]

    files = changed(checkpoint_files(), "csqa", change)
    for row in land_changed(zone, tmp_path, files, "csqa"):
        assert set(json.loads(row["extra"])) == {"metrics"}
    assert all(row["extra"] is None for row in rows(zone, "questions") if row["task"] != "csqa")


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


# -- bad input ------------------------------------------------------------------------------------


def line_cut(files: Files) -> Files:
    name = "step-1250/piqa-predictions.jsonl"
    return files | {name: files[name][:-40]}


def without(*suffixes: str) -> Callable[[Files], Files]:
    return lambda files: {
        name: content for name, content in files.items() if not name.endswith(suffixes)
    }


def with_metrics(task: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Files], Files]:
    def apply(files: Files) -> Files:
        name = f"step-1250/{task}-metrics.json"
        record = json.loads(files[name])
        change(record)
        return files | {name: json.dumps(record).encode()}

    return apply


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


def a_link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_are_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files], kind: bytes
) -> None:
    files = checkpoint_files()
    good = tar_gz(checkpoint_files(KEYS[1]).items())
    target = "/etc/hostname"
    inside = tar_gz([*files.items(), (a_link("step-1250/x-predictions.jsonl", target, kind), b"")])
    name = simulator.member_name(RECIPE, *KEYS[2])
    path = write_archive(
        tmp_path,
        [
            (simulator.member_name(RECIPE, *KEYS[0]), inside),
            (a_link(name, target, kind), b""),
            (simulator.member_name(RECIPE, *KEYS[1]), good),
        ],
    )
    summary = land(zone, path)
    assert counts(summary) == (1, 0, 2), summary.messages
    assert set(reasons(zone).values()) == {"unsafe_member"}
    check_clean(zone)


def test_an_unsafe_path_outside_is_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    names = ["/dolma1.7/150M/seed-2/step-1250.tar.gz", "../dolma1.7/150M/seed-2/step-1.tar.gz",
             simulator.member_name(RECIPE, *KEYS[0])]  # fmt: skip
    summary = land(zone, write_archive(tmp_path, [(name, inner) for name in names]))
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {names[0]: "unsafe_path"}
    assert "the first of 2" in summary.messages[0]


def test_unsafe_members_are_told_once_and_bounded(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """20,000 links once made as many batches."""
    name = simulator.member_name(RECIPE, *KEYS[1])
    links = [(a_link(name, "x", tarfile.SYMTYPE), b"")] * 300
    good = (simulator.member_name(RECIPE, *KEYS[0]), tar_gz(checkpoint_files().items()))
    path = write_archive(tmp_path, [*links, good])
    assert counts(land(zone, path)) == (1, 0, 1)
    assert len(list(zone.manifests("instances"))) == 2
    monkeypatch.setattr(instances_archive, "MAX_ARCHIVE_MEMBERS", 250)
    other = LandingZone(tmp_path / "other")
    assert counts(land(other, path)) == (0, 0, 2)
    assert reasons(other) == {name: "unsafe_member", path.name: "too_many_members"}


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


def test_members_that_are_no_checkpoint_are_told_once(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    path = write_archive(
        tmp_path,
        [
            ("dolma1.7/README.md", b"hello"),
            ("dolma1.7/._150M", b"of a Mac"),
            ("c4/150M/seed-2/step-1250.tar.gz", inner),
            ("dolma1.7/big/seed-2/step-1250.tar.gz", inner),
            (simulator.member_name(RECIPE, *KEYS[0]), inner),
        ],
    )
    summary = land(zone, path)
    assert counts(summary) == (1, 0, 1)
    assert reasons(zone) == {"dolma1.7/README.md": "unexpected_member"}
    assert "3 files" in summary.messages[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_truncated_archive_lands_up_to_the_cut(
    zone: LandingZone, archive: Path, tmp_path: Path, share: float
) -> None:
    path = tmp_path / archive.name
    content = archive.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    summary = land(zone, path, steps=[1250, 2500])
    assert summary.refused >= 1 and summary.checkpoints < 4
    assert reasons(zone)[path.name] in ("truncated", "broken_tar")
    assert keys_of(zone).total() == 66 * summary.checkpoints
    assert summary.checkpoints == {0.0: 0, 0.3: 1, 0.7: 2, 0.999: 3}[share]
    check_clean(zone)
    assert counts(land(zone, archive)) == (4 - summary.checkpoints, summary.checkpoints, 0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda inner: inner[: len(inner) // 2], "truncated"),
        (lambda inner: inner[:-6] + bytes(6), "broken_gzip"),
        (lambda inner: inner[:5000] + bytes(500) + inner[5500:], "broken_gzip"),
        (lambda inner: b"not gzip at all", "not_gzip"),
        (lambda inner: b"", "truncated"),
        (lambda inner: gzip.compress(gzip.decompress(inner)[:200_000]), "broken_tar"),
        (lambda inner: gzip.compress(gzip.decompress(inner)[: 512 * 3]), "broken_tar"),
        (lambda inner: gzip.compress(without_end(inner) + bytes(100)), "broken_tar"),
        (lambda inner: gzip.compress(damaged_header(gzip.decompress(inner))), "broken_tar"),
        (lambda inner: gzip.compress(gzip.decompress(inner) + b"x"), "broken_tar"),
        (lambda inner: gzip.compress(b""), "broken_tar"),
        (lambda inner: b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "not_gzip"),
    ],
)  # fmt: skip
def test_a_broken_inner_tarball_is_refused(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files],
    damage: Callable[[bytes], bytes], reason: str,
) -> None:  # fmt: skip
    inner = {key: tar_gz(checkpoint_files(key).items()) for key in KEYS[:3]}
    inner[KEYS[1]] = damage(inner[KEYS[1]])
    summary = land(zone, write_archive(tmp_path, inner))
    assert counts(summary) == (2, 0, 1), summary.messages
    assert reasons(zone) == {"dolma1.7/150M/seed-2/step-2500": reason}
    check_clean(zone)


def without_end(inner: bytes) -> bytes:
    return gzip.decompress(inner).rstrip(b"\0")


def damaged_header(tar: bytes) -> bytes:
    """A header in the middle that tarfile would take for the end."""
    at = tar.index(b"step-2500/winogrande-metrics.json")
    return tar[:at] + b"\xff" + tar[at + 1 :]


def test_a_damaged_header_outside_is_not_taken_for_the_end(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    path = write_archive(tmp_path, {key: tar_gz(checkpoint_files(key).items()) for key in KEYS[:3]})
    tar = gzip.decompress(path.read_bytes())
    at = tar.index(simulator.member_name(RECIPE, *KEYS[1]).encode())
    path.write_bytes(gzip.compress(tar[:at] + b"\xff" + tar[at + 1 :]))
    assert counts(land(zone, path)) == (1, 0, 1)
    assert reasons(zone) == {path.name: "broken_tar"}
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


def test_a_bomb_fills_neither_memory_nor_disk(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """A thousandfold, inside a checkpoint, and outside between the checkpoints."""
    zeros = bytes(64 * 1024**2)
    bomb = tar_gz([("step-1250/boolq-predictions.jsonl", zeros)])
    assert len(bomb) < 500_000
    good = tar_gz(checkpoint_files(KEYS[1]).items())
    source = tmp_path / "source"
    path = write_archive(source, {KEYS[0]: bomb, KEYS[1]: good})
    peaks: list[int] = []
    with watching(zone, peaks):
        assert counts(land(zone, path)) == (1, 0, 1)
    assert set(reasons(zone).values()) == {"too_large"}
    assert max(peaks) < 16 * 1024**2
    check_clean(zone)

    other = LandingZone(tmp_path / "other")
    path = write_archive(
        source, [(simulator.member_name(RECIPE, *KEYS[1]), good), ("zeros", zeros)]
    )
    summary = land(other, path)
    assert counts(summary) == (1, 0, 1)
    assert reasons(other) == {path.name: "too_large"}


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
    "broken", ["extract.instances.pipeline.unpack", "extract.olmes.convert.Converter._convert"]
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
    for owner, name in ((instances, "unpack"), (instances_convert.Converter, "_convert")):

        def fails(*_: Any) -> Any:
            raise error

        with monkeypatch.context() as patch, pytest.raises(type(error)):
            patch.setattr(owner, name, fails)
            land(zone, archive)
        check_clean(zone)
    assert reasons(zone) == {}


def test_pax_headers_are_parsed_by_their_lengths(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    """A value may look like the next record; a size may be any text."""
    inner = tar_gz(checkpoint_files().items())
    expected = {"hello\n20 size=512\n": None, "hello\n20 path=../../x\n": None}
    for number, value in enumerate(expected):
        info = tarfile.TarInfo(simulator.member_name(RECIPE, *KEYS[0]))
        info.pax_headers = {"comment": value}
        path = write_archive(tmp_path / str(number), [(info, inner)])
        assert counts(land(LandingZone(tmp_path / f"raw-{number}"), path)) == (1, 0, 0)
    info = tarfile.TarInfo(simulator.member_name(RECIPE, *KEYS[0]))
    info.pax_headers = {"size": "1" * 5000}
    path = write_archive(tmp_path / "size", [(info, inner)])
    summary = land(zone, path)
    assert counts(summary) == (0, 0, 1)
    assert reasons(zone) == {path.name: "broken_tar"} and "size" in summary.messages[0]


@pytest.mark.parametrize(
    "content", [b"9", b"99999 path=x\n", b"4 x\n", b"-9 a=b\n", b"x a=b\n", b"6 a=b\n\n"]
)
def test_pax_headers_that_are_none(content: bytes) -> None:
    with pytest.raises(ValueError):
        streams._pax(content)
    assert streams._pax(bytes(9)) == {}


def test_what_cannot_be_opened_does_not_stop_other_recipes(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    """A link that leads nowhere once ended the call, and a pipe made it wait for ever."""
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(archive, source / archive.name)
    (source / "c4.tar.gz").symlink_to("/nowhere")
    os.mkfifo(source / "falcon.tar.gz")
    (source / "fineweb-pro" / "150M" / "seed-2" / "step-1.tar.gz").mkdir(parents=True)
    recipes = ["c4", "falcon", "fineweb-pro", RECIPE]
    summary = land(zone, source, recipes=recipes)
    assert counts(summary) == (4, 0, 3), summary.messages
    assert reasons(zone) == {
        "c4.tar.gz": "unreadable", "falcon.tar.gz": "no_file",
        "fineweb-pro/150M/seed-2/step-1": "no_file",
    }  # fmt: skip


def test_folders_that_are_named_twice_are_read_once(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "models").mkdir(parents=True)
    shutil.copy(archive, source / "models" / archive.name)
    (tmp_path / "link").symlink_to(source)
    same = [source, source / "models", source / ".." / "source", tmp_path / "link",
            source / "models" / archive.name]  # fmt: skip
    assert counts(land(zone, *same)) == (4, 0, 0)
    assert counts(land(zone, *same, steps=[99])) == (0, 0, 1)


def test_what_follows_the_gzip_stream_is_told(
    zone: LandingZone, tmp_path: Path, checkpoint_files: Callable[..., Files]
) -> None:
    inner = tar_gz(checkpoint_files().items())
    path = write_archive(tmp_path, {KEYS[0]: inner + b"xx", KEYS[1]: inner + bytes(700)})
    path.write_bytes(path.read_bytes() + b"xx")
    summary = land(zone, path, steps=[1250])
    assert [message.partition(" gzip")[0] for message in summary.messages] == [
        f"{path.name}: {simulator.member_name(RECIPE, *KEYS[0])}: something follows the end of its",
        f"{path.name}: something follows the end of its",
    ]
    assert set(reasons(zone).values()) == {"trailing_data"}


def test_gzip_is_read_in_pieces_of_any_size() -> None:
    content = random.Random(1).randbytes(3000)
    pieces = [bytes([byte]) for byte in gzip.compress(content) + gzip.compress(content) + bytes(9)]

    class Trickle:
        def read(self, _size: int, /) -> bytes:
            return pieces.pop(0) if pieces else b""

    stream = streams.Gunzip(Trickle(), "a", InputError)
    assert b"".join(iter(lambda: stream.read(100), b"")) == content * 2


def test_an_archive_without_checkpoints_is_told(zone: LandingZone, tmp_path: Path) -> None:
    summary = land(zone, write_archive(tmp_path, []))
    assert summary.messages == [
        f"{RECIPE}: has no checkpoint at all; get it again from its publisher"
    ]


def test_a_source_without_the_recipe_is_refused(
    zone: LandingZone, archive: Path, tmp_path: Path
) -> None:
    summary = land(zone, archive.parent, tmp_path, recipes=["c4", RECIPE])
    assert counts(summary) == (4, 0, 1)
    assert reasons(zone) == {"c4": "no_such_archive"}
    assert "c4.tar.gz" in summary.messages[0]


# -- disk and memory ------------------------------------------------------------------------------


class watching:  # noqa: N801 - used like a function
    """Sample what the zone's temporary folder holds."""

    def __init__(self, zone: LandingZone, sizes: list[int]) -> None:
        self._folder = zone.root / "_tmp"
        self._sizes = sizes
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._is_over.wait(0.002):
            try:
                paths = [path for path in self._folder.rglob("*") if path.is_file()]
                self._sizes.append(sum(path.stat().st_size for path in paths))
            except OSError:  # something has gone meanwhile
                continue

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def test_at_most_three_checkpoints_are_on_disk(zone: LandingZone, tmp_path: Path) -> None:
    keys = [("150M", 2, 1250 * number) for number in range(1, 13)]
    written = simulator.write(tmp_path, RECIPE, checkpoints=keys, questions_per_task=100)
    largest = max(
        sum(len(content) for content in files.values()) for _, files in checkpoints_of(written.path)
    )
    sizes: list[int] = []
    with watching(zone, sizes):
        assert counts(land(zone, written.path)) == (12, 0, 0)
    # Nearly 12 of them went through.
    assert 0.5 * largest < max(sizes) <= 3 * largest
    check_clean(zone)


def test_peak_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    """It once did, by 2.7 MB for each checkpoint: the compressor of each batch stayed."""
    peaks = []
    for count in (6, 80):
        keys = [("150M", 2, 1250 * number) for number in range(1, count + 1)]
        written = simulator.write(
            tmp_path / str(count), RECIPE, checkpoints=keys, questions_per_task=10
        )
        code, peak = peak_memory(
            "instances", RECIPE, "--source", written.path, "--raw-dir", tmp_path / f"raw-{count}"
        )
        assert code == 0
        peaks.append(peak)
    # What DuckDB holds back differs by 80 MB between calls.
    assert peaks[1] < peaks[0] + 150e6 and peaks[1] < 600e6, peaks


# -- killed, and at once --------------------------------------------------------------------------


def land_in_process(root: Path, source: Path, recipe: str, begun: Any = None) -> None:
    if begun is not None:
        begun.set()
    summary = land(LandingZone(root), source, recipes=[recipe])
    sys.exit(1 if summary.refused else 0)


def test_killed_at_random_moments_the_next_call_completes(tmp_path: Path) -> None:
    """`kill -9` thirty times; a zone is used until a call completes."""
    keys = [("150M", 2, 1250 * number) for number in range(1, 9)]
    archive = simulator.write(tmp_path, RECIPE, checkpoints=keys, questions_per_task=3).path
    undisturbed = LandingZone(tmp_path / "undisturbed")
    started = time.monotonic()
    assert counts(land(undisturbed, archive)) == (8, 0, 0)
    duration = time.monotonic() - started
    expected = content(undisturbed)
    clock = random.Random(20_250_415)
    zones, kills, leftovers = 0, 0, 0
    zone = LandingZone(tmp_path / "raw-0")
    while kills < 30:
        begun = PROCESSES.Event()
        process = PROCESSES.Process(
            target=land_in_process, args=(zone.root, archive, RECIPE, begun)
        )
        process.start()
        assert begun.wait(timeout=60)
        process.join(clock.uniform(0, duration))
        process.kill()
        process.join()
        check_zone(zone, leftovers=True)
        if process.exitcode == -signal.SIGKILL:
            kills += 1
            leftovers += any((zone.root / "_tmp").glob("*/*"))
        if process.exitcode == 0 or clock.random() < 0.3:
            summary = land(zone, archive)
            assert summary.refused == 0 and summary.checkpoints + summary.already_landed == 8
            check_clean(zone)
            assert content(zone) == expected
            zones += 1
            zone = LandingZone(tmp_path / f"raw-{zones}")
    land(zone, archive)
    check_clean(zone)
    assert content(zone) == expected
    assert leftovers > 5  # the kills did hit where it hurts


def test_two_recipes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Also where one is called what the other's name begins with, and one of them is killed."""
    keys = [("150M", 2, 1250 * number) for number in range(1, 13)]
    for tar_name in (RECIPE, OTHER):
        simulator.write(tmp_path, tar_name, checkpoints=keys, questions_per_task=3)
    apart = LandingZone(tmp_path / "apart")
    land(apart, tmp_path / "models", recipes=[RECIPE, OTHER])
    expected = content(apart)
    zone = LandingZone(tmp_path / "raw")
    clock = random.Random(5)

    def start(tar_name: str) -> Any:
        process = PROCESSES.Process(
            target=land_in_process, args=(zone.root, tmp_path / "models", tar_name)
        )
        process.start()
        return process

    other = start(OTHER)
    n_kills = 0
    while other.is_alive():
        ours = start(RECIPE)
        time.sleep(clock.uniform(0, 0.4))
        ours.kill()
        ours.join()
        n_kills += ours.exitcode == -signal.SIGKILL
    other.join()
    assert other.exitcode == 0
    ours = start(RECIPE)
    ours.join(timeout=60)
    assert ours.exitcode == 0 and n_kills
    check_clean(zone)
    assert content(zone) == expected


def test_two_calls_for_one_recipe_land_it_once(tmp_path: Path, archive: Path) -> None:
    zone = LandingZone(tmp_path / "raw")
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "extract", "instances", RECIPE, "--source", str(archive),
             "--raw-dir", str(zone.root)],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    found = [json.loads(out) for out, _ in answers]
    assert sum(summary["checkpoints"] for summary in found) == 4
    assert sum(summary["already_landed"] for summary in found) == 4
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}
    check_clean(zone)


def test_an_interrupt_leaves_nothing_behind(
    zone: LandingZone, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    told = iter(range(10))

    def interrupt(_name: str, _questions: int) -> None:
        if next(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        instances.land_source(zone, [archive], Request.of([RECIPE]), report=interrupt)
    check_clean(zone)
    assert threading.active_count() == before
    assert counts(land(zone, archive)) == (2, 2, 0)


# -- the hub --------------------------------------------------------------------------------------


@pytest.fixture
def hub(archive: Path) -> Iterator[HubDouble]:
    with HubDouble() as double:
        double.repo(REPO_ID).commit(
            {f"models/{RECIPE}.tar.gz": archive.read_bytes(), "README.md": Blob(b"#\n", lfs=False)},
            sha=REVISION,
        )
        yield double


def command(hub: HubDouble, zone: LandingZone, *arguments: str | Path, **more: str) -> Any:
    variables = {
        "HF_ENDPOINT": hub.url, "HF_HOME": str(zone.root.parent / "home"), "NO_PROXY": "127.0.0.1",
        "HF_TOKEN": "", **more,
    }  # fmt: skip
    result = cli("instances", *arguments, "--raw-dir", zone.root, **variables)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def test_a_recipe_lands_from_the_hub_and_its_tarball_goes(
    hub: HubDouble, zone: LandingZone, archive: Path
) -> None:
    result = command(hub, zone, "Dolma1.7")
    assert result.returncode == 0, result.stderr
    summary = summary_of(result)
    size = archive.stat().st_size
    assert (summary["checkpoints"], summary["downloaded_bytes"]) == (4, size)
    assert f"{REPO_ID}/models/{RECIPE}.tar.gz at {REVISION[:8]}" in result.stderr
    assert not list((zone.root / "_downloads").rglob("*.gz"))
    check_clean(zone)
    origins = {json.dumps(manifest.arguments.get("from")) for manifest in zone.manifests()}
    assert any(REVISION in origin and "sha256" in origin for origin in origins)

    hub.requests.clear()
    before = files_of(zone)
    again = summary_of(command(hub, zone, RECIPE))
    assert (again["checkpoints"], again["already_landed"], again["refused"]) == (0, 4, 0)
    part = summary_of(command(hub, zone, RECIPE, "--params", "4M", "--task", "boolq"))
    assert (part["already_landed"], part["refused"]) == (1, 0)
    assert hub.requests == [] and files_of(zone) == before


def test_killed_in_a_download_the_next_call_asks_for_the_rest(
    hub: HubDouble, zone: LandingZone, archive: Path
) -> None:
    """Of 5 GB: a call that was killed near the end began anew."""
    content = archive.read_bytes() + bytes(35_000_000)  # padded: the client writes 10 MB at once
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": content}, sha=REVISION)
    hub.chunk_delay = 0.002
    process = subprocess.Popen(
        [sys.executable, "-m", "extract", "instances", RECIPE, "--raw-dir", zone.root], cwd=ROOT,
        env=environment(HF_ENDPOINT=hub.url, HF_HOME=str(zone.root.parent / "home")),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    folder = zone.downloads("instances") / RECIPE
    while not (parts := list(folder.glob("*.part"))) or parts[0].stat().st_size == 0:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    had = parts[0].stat().st_size
    assert 0 < had < len(content)
    hub.chunk_delay = 0.0
    hub.requests.clear()
    result = command(hub, zone, RECIPE)
    assert result.returncode == 0, result.stderr
    assert summary_of(result)["downloaded_bytes"] == len(content) - had
    (request,) = hub.asked("cdn GET")
    assert (request.headers["range"], request.status) == (f"bytes={had}-", 206)
    check_clean(zone)


def test_a_part_of_a_recipe_does_not_stand_for_the_rest(hub: HubDouble, zone: LandingZone) -> None:
    first = summary_of(command(hub, zone, RECIPE, "--step", "2500", "--keep-tarballs"))
    assert (first["checkpoints"], first["refused"]) == (1, 0)
    (kept,) = (zone.root / "_downloads").rglob("*.tar.gz")
    hub.requests.clear()
    second = summary_of(command(hub, zone, RECIPE))
    assert (second["checkpoints"], second["already_landed"]) == (3, 1)
    assert second["downloaded_bytes"] == 0 and not hub.asked("cdn GET")
    assert not kept.exists()


def test_what_was_refused_is_told_again_without_a_download(
    hub: HubDouble, zone: LandingZone, checkpoint_files: Callable[..., Files], tmp_path: Path
) -> None:
    inner = {key: tar_gz(checkpoint_files(key).items()) for key in KEYS[:2]}
    inner[KEYS[0]] = inner[KEYS[0]][:-9]
    path = write_archive(tmp_path, inner)
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": path.read_bytes()}, sha=REVISION)
    first = command(hub, zone, RECIPE)
    assert first.returncode == 1
    hub.requests.clear()
    again = command(hub, zone, RECIPE)
    assert again.returncode == 1 and hub.requests == []
    assert summary_of(again)["refused"] == 1 and "earlier call" in again.stderr


def test_what_has_landed_since_a_refusal_is_not_told(
    hub: HubDouble, zone: LandingZone, checkpoint_files: Callable[..., Files], tmp_path: Path
) -> None:
    """The exit code once stayed 1 for ever."""
    files = {key: checkpoint_files(key) for key in KEYS[:3]}
    inner = {key: tar_gz(files[key].items()) for key in KEYS[:3]}
    inner[KEYS[0]] = tar_gz(without("/piqa-metrics.json")(files[KEYS[0]]).items())
    inner[KEYS[1]] = tar_gz((files[KEYS[1]] | {"step-2500/gsm8k-metrics.json": b"{}"}).items())
    members = [(simulator.member_name(RECIPE, *key), content) for key, content in inner.items()]
    link = a_link(simulator.member_name(RECIPE, *KEYS[3]), "x", tarfile.SYMTYPE)
    path = write_archive(tmp_path, [*members, (link, b""), ("dolma1.7/README.md", b"")])
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": path.read_bytes()}, sha=REVISION)

    def call(*arguments: str | Path) -> tuple[int, int, int]:
        hub.requests.clear()
        result = command(hub, zone, RECIPE, *arguments)
        assert result.returncode == bool(summary_of(result)["refused"]), result.stderr
        return (
            summary_of(result)["checkpoints"], summary_of(result)["refused"],
            len(hub.asked("cdn GET")),
        )  # fmt: skip

    assert call() == (2, 4, 1)  # piqa, gsm8k, the link, README.md
    assert call() == (0, 3, 0)
    # What is not asked for is not told.
    assert call("--seed", "14") == (0, 0, 0)
    assert call("--step", "2500", "--task", "boolq") == (0, 0, 0)
    for _ in range(2):
        assert call("--step", "99") == (0, 1, 0)
        assert call("--seed", "14", "--step", "2500") == (0, 1, 0)
    # Without the damaged task it may land, so it is fetched again, once; what else is wrong with
    # the archive is told whenever it is read.
    asked = ["--params", "150M", "--step", "1250", "--seed", "2"]
    assert call(*asked, "--task", "boolq") == (1, 2, 1)
    assert call(*asked, "--task", "boolq") == (0, 0, 0)
    assert call(*asked) == (0, 3, 1)
    assert call(*asked) == (0, 1, 0)
    mended = {KEYS[0]: tar_gz(files[KEYS[0]].items()),
              KEYS[3]: tar_gz(checkpoint_files(KEYS[3]).items())}  # fmt: skip
    assert call("--source", write_archive(tmp_path / "mended", mended)) == (2, 0, 0)
    assert call(*asked) == (0, 0, 0)
    assert call("--params", "4M") == (0, 0, 0)
    assert call() == (0, 1, 0)  # gsm8k
    assert call("--task", "piqa") == (0, 0, 0)


def test_a_tarball_that_is_kept_stays(hub: HubDouble, zone: LandingZone) -> None:
    for arguments in (["--keep-tarballs"], [], ["--step", "2500"]):
        assert command(hub, zone, RECIPE, *arguments).returncode == 0
        assert list((zone.root / "_downloads").rglob("*.tar.gz"))


def test_a_download_with_another_checksum_is_refused(
    hub: HubDouble, zone: LandingZone, archive: Path
) -> None:
    content = archive.read_bytes()
    damaged = Blob(content, served=content[:-5] + b"12345")
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": damaged}, sha=REVISION)
    result = command(hub, zone, RECIPE)
    assert result.returncode == 1
    assert reasons(zone) == {f"{REPO_ID}/models/{RECIPE}.tar.gz": "checksum_mismatch"}
    assert keys_of(zone).total() == 0
    hub.repo(REPO_ID).commit({f"models/{RECIPE}.tar.gz": content}, sha=REVISION)
    assert command(hub, zone, RECIPE).returncode == 0


def test_a_recipe_that_the_hub_does_not_have_is_refused_and_others_land(
    hub: HubDouble, zone: LandingZone
) -> None:
    result = command(hub, zone, "c4", RECIPE)
    assert result.returncode == 1
    summary = summary_of(result)
    assert (summary["checkpoints"], summary["refused"]) == (4, 1)
    assert reasons(zone) == {"models/c4.tar.gz": "no_such_file"}


def test_a_hub_that_cannot_be_reached_is_told_once_for_each_recipe(
    hub: HubDouble, zone: LandingZone
) -> None:
    result = command(hub, zone, "c4", RECIPE, HF_HUB_OFFLINE="1")
    assert result.returncode == 1
    assert summary_of(result)["refused"] == 2
    assert {record["reason"] for record in landed(zone, "outcomes")} == {"offline"}
    assert is_offline() is False


def test_killed_after_the_download_the_tarball_is_not_fetched_again(
    hub: HubDouble, zone: LandingZone
) -> None:
    """What a call leaves behind is what the next one goes on with."""
    process = subprocess.Popen(
        [sys.executable, "-m", "extract", "instances", RECIPE, "--raw-dir", str(zone.root)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(HF_ENDPOINT=hub.url, HF_HOME=str(zone.root.parent / "home")),
    )  # fmt: skip
    while not list((zone.root / "_manifests").glob("*/*.json")) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    check_zone_without_downloads(zone)
    hub.requests.clear()
    result = command(hub, zone, RECIPE)
    assert result.returncode == 0 and not hub.asked("cdn GET")
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in KEYS}
    check_clean(zone)


def check_zone_without_downloads(zone: LandingZone) -> None:
    check_zone(zone, leftovers=True)
    assert list((zone.root / "_downloads").rglob(f"{RECIPE}.tar.gz"))


# -- usage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipes": ["dolma1.7-no-cod"]}, "'dolma1.7-no-code'"),
        ({"recipes": ["Falcon+CC (QC 11%)"]}, "'Falcon+CC (QC 10%)'"),
        ({"recipes": ["zzz"]}, "'zzz' is no recipe; all 25"),
        ({"recipes": ["c4"], "params": ["151M"]}, "--params 151M: there is no such size"),
        ({"recipes": ["c4"], "seeds": ["3"]}, "2 (default)"),
        ({"recipes": ["c4"], "tasks": ["arc"]}, "--task arc: there is no such task"),
        ({"recipes": ["c4"], "tasks": ["hellaswg"]}, "did you mean 'hellaswag'"),
    ],
)
def test_wrong_usage_comes_with_suggestions(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as problem:
        Request.of(**arguments)
    assert message in str(problem.value)


def test_recipes_by_every_name(tmp_path: Path) -> None:
    assert Request.of(["c4", "C4", "Dolma1.7 (no code)"]).recipes == ("c4", OTHER)
    assert len(Request.of(["all"]).recipes) == 25
    result = cli("instances", "c5", "--raw-dir", tmp_path / "raw")
    assert result.returncode == 2 and "'c4'" in result.stderr
    assert not (tmp_path / "raw").exists()


def test_keep_tarballs_is_about_downloads(tmp_path: Path) -> None:
    result = cli("instances", RECIPE, "--source", tmp_path, "--keep-tarballs", "--raw-dir",
                 tmp_path / "raw")  # fmt: skip
    assert result.returncode == 2 and "--keep-tarballs" in result.stderr
    assert not (tmp_path / "raw").exists()


def test_the_command_lands_and_tells(zone: LandingZone, archive: Path) -> None:
    result = cli("instances", RECIPE, "--source", archive.parent, "--raw-dir", zone.root,
                 "--step", "2500", "--task", "piqa", key=None)  # fmt: skip
    assert result.returncode == 0, result.stderr
    size = sum(Path(path).stat().st_size for kind in ("tasks", "questions")
               for path in parquet(zone, kind))  # fmt: skip
    assert summary_of(result) == {
        "command": "instances", "checkpoints": 1, "already_landed": 0, "tasks": 1, "questions": N,
        "bytes": size, "downloaded_bytes": 0, "refused": 0,
    }  # fmt: skip
    assert result.stderr == ""


def test_an_error_names_what_to_do() -> None:
    problem = instances_archive.unsafe(tarfile.TarInfo("../x"), "a.tar.gz: ../x")
    assert isinstance(problem, InputError) and "a.tar.gz: ../x" in str(problem)
