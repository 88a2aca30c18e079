"""The simulated archives: the published layout, and numbers that follow from each other."""

from __future__ import annotations

import io
import json
import math
import statistics
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.simulator import instances as simulator

N_QUESTIONS = 120
KEY = ("150M", 2, 1250)


def checkpoints_of(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Each inner tarball with its files, read by tarfile alone."""
    with tarfile.open(path) as outer:
        for member in outer:
            content = outer.extractfile(member)
            assert content is not None
            with tarfile.open(fileobj=io.BytesIO(content.read())) as inner:
                files = {}
                for info in inner:
                    file = inner.extractfile(info)
                    assert file is not None
                    files[info.name] = file.read()
            yield member.name, files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of one checkpoint."""
    written = simulator.write(
        tmp_path_factory.mktemp("archive"), "c4", checkpoints=[KEY], questions_per_task=N_QUESTIONS
    )
    ((name, found),) = checkpoints_of(written.path)
    assert name == "c4/150M/seed-2/step-1250.tar.gz"
    return found


def predictions(files: dict[str, bytes], task: str) -> list[dict[str, Any]]:
    lines = files[f"step-1250/{task}-predictions.jsonl"].decode().splitlines()
    return [json.loads(line) for line in lines]


def metrics(files: dict[str, bytes], task: str) -> dict[str, Any]:
    return json.loads(files[f"step-1250/{task}-metrics.json"])


def test_a_checkpoint_is_of_66_tasks_with_two_files_each(files: dict[str, bytes]) -> None:
    tasks = simulator.all_tasks()
    assert len(tasks) == 66
    assert sum(task.n_questions for task in tasks) == 37_682
    assert set(files) == {
        f"step-1250/{task.name}-{kind}" for task in tasks
        for kind in ("metrics.json", "predictions.jsonl")
    }  # fmt: skip


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    def write(name: str, **options: Any) -> bytes:
        keys = [KEY, ("1B", 4, 69369)]
        return simulator.write(
            tmp_path / name, "c4", checkpoints=keys, questions_per_task=3, **options
        ).path.read_bytes()

    assert write("one") == write("two") == write("three", processes=2)


def test_checkpoints_differ(tmp_path: Path) -> None:
    keys = [KEY, ("150M", 14, 1250), ("150M", 2, 2500)]
    written = simulator.write(tmp_path, "c4", checkpoints=keys, questions_per_task=3)
    assert written.n_questions == 198
    contents = [
        next(content for name, content in files.items() if name.endswith("piqa-predictions.jsonl"))
        for _, files in checkpoints_of(written.path)
    ]
    assert len(set(contents)) == len(contents) == written.n_checkpoints == 3


def test_answers_follow_from_the_choices_with_ties_to_the_first(files: dict[str, bytes]) -> None:
    n_ties = 0
    for task in simulator.all_tasks():
        for document in predictions(files, task.name):
            choices, stored = document["model_output"], document["metrics"]
            label = document["label"]
            logits = [choice["sum_logits"] for choice in choices]
            best = max(range(len(choices)), key=lambda at: (logits[at], -at))
            n_ties += logits.count(max(logits)) > 1
            assert stored["predicted_index_raw"] == best
            bits = [choice["logits_per_byte"] for choice in choices]
            assert stored["predicted_index_per_byte"] == bits.index(min(bits))
            assert stored["acc_raw"] == (best == label)
            assert stored["correct_choice"] == label
            assert 0 <= label < len(choices)
            for key in ("sum_logits", "logits_per_token", "logits_per_char", "logits_per_byte"):
                assert stored[f"{key}_corr"] == choices[label][key]
            for choice in choices:
                assert choice["logits_per_token"] == choice["sum_logits"] / choice["num_tokens"]
                assert choice["logits_per_char"] == choice["sum_logits"] / choice["num_chars"]
            has_uncond = task.name not in ("boolq", "winogrande")
            assert all(("sum_logits_uncond" in choice) == has_uncond for choice in choices)
            assert ("acc_uncond" in stored) == has_uncond
            assert stored["no_answer"] == (max(logits) == -999)
    assert n_ties > 66


def test_metrics_are_the_means(files: dict[str, bytes]) -> None:
    for task in simulator.all_tasks():
        found, documents = metrics(files, task.name), predictions(files, task.name)
        assert found["num_instances"] == len(documents) == N_QUESTIONS
        for key in documents[0]["metrics"]:
            mean = statistics.fmean(document["metrics"][key] for document in documents)
            assert math.isclose(found["metrics"][key], mean, rel_tol=1e-12), key
        assert found["metrics"]["primary_score"] == found["metrics"][task.primary_metric]
        assert found["task_config"]["primary_metric"] == task.primary_metric
        assert {(d["task_hash"], d["model_hash"]) for d in documents} == {
            (found["task_hash"], found["model_hash"])
        }
        assert found["model_config"]["revision"] == "step1250-unsharded-hf"


def test_derived_metrics_by_hand() -> None:
    """Two choices that can be followed with a pocket calculator, and the example of the spec."""
    choices = [
        {"sum_logits": math.log(0.2), "num_tokens": 2, "num_chars": 4, "sum_logits_uncond": -1.0},
        {"sum_logits": math.log(0.3), "num_tokens": 1, "num_chars": 5, "sum_logits_uncond": -9.0},
    ]
    for choice in choices:
        logits = choice["sum_logits"]
        choice["logits_per_token"] = logits / choice["num_tokens"]
        choice["logits_per_char"] = logits / choice["num_chars"]
        choice["logits_per_byte"] = simulator.BITS * logits / choice["num_chars"]
    stored, derived = simulator.arithmetic(choices, 0)
    assert (stored["predicted_index_raw"], stored["predicted_index_per_token"]) == (1, 0)
    assert stored["predicted_index_uncond"] == 1
    expected = {
        "correct_prob": 0.2, "total_prob": 0.5, "norm_correct_prob": 0.4, "margin": -0.1,
        "correct_prob_per_token": math.sqrt(0.2), "uncond_correct_prob": math.exp(-1),
        "margin_per_token": math.sqrt(0.2) - 0.3,
        "uncond_total_prob": math.exp(-1) + math.exp(-9),
    }  # fmt: skip
    for key, value in expected.items():
        found = derived[key]
        assert found is not None and math.isclose(found, value, rel_tol=1e-12), key
    assert math.isclose(simulator.BITS * -66.26013946533203 / 33, 2.896762867130736, rel_tol=1e-12)


def test_the_irregularities_of_the_real_archives_are_there(files: dict[str, bytes]) -> None:
    kinds = {
        task.name: {type(document["native_id"]) for document in predictions(files, task.name)}
        for task in simulator.all_tasks()
    }
    assert kinds["arc_challenge"] == kinds["csqa"] == {str}
    assert kinds["hellaswag"] == {int}
    assert kinds["socialiqa"] == {type(None)}
    counts = {
        name: {len(document["model_output"]) for document in predictions(files, name)}
        for name in ("arc_easy", "boolq", "csqa", "socialiqa", "hellaswag")
    }
    assert counts == {
        "arc_easy": {3, 4, 5}, "boolq": {2}, "csqa": {5}, "socialiqa": {3}, "hellaswag": {4},
    }  # fmt: skip
    wide = [
        choice for document in predictions(files, "piqa") for choice in document["model_output"]
        if not math.isclose(choice["logits_per_byte"], simulator.BITS * choice["logits_per_char"])
    ]  # fmt: skip
    assert wide


def test_there_are_as_many_questions_as_there_are() -> None:
    """Without a number the tasks have their published sizes; here one of them."""
    task = next(task for task in simulator.all_tasks() if task.name == "openbookqa")
    simulated = simulator.SimulatedTask("c4", *KEY, task, None)
    assert len(list(simulated.documents())) == 500
    assert simulated.metrics_json()["num_instances"] == 500
