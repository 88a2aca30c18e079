"""What was evaluated and how: evaluations keep their identity, whatever their files are called."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.simulator.instances import arithmetic
from tests.python.warehouse.harness import ROOT, Warehouse, write_jsonl
from tests.python.warehouse.test_posttraining import ONLY, land

NewWarehouse = Callable[[str], Warehouse]

CASES = ROOT.parent / "shared" / "cases" / "posttrain"
UNRECONCILED = "from intermediate.int_posttrain_predictions__compared where not is_ok"
N = 4


# -- inputs ---------------------------------------------------------------------------------------


def choices(doc_id: int, seed: int) -> list[dict[str, Any]]:
    return [
        {
            "sum_logits": -20.0 - (seed * 31 + doc_id * 17 + number * 13) % 23,
            "num_tokens": 2 + number,
            "num_tokens_all": 100,
            "is_greedy": False,
            "num_chars": 9 + number,
        }
        for number in range(4)
    ]


class Call:
    """One evaluation of a task, as OLMES writes it."""

    def __init__(
        self, task: str, *, model: str | None = "org/m", seed: int = 0, **config: Any
    ) -> None:
        self.task_name, alias = task.partition(":")[0], task
        self.model_config = {"model": model, "revision": None, "model_path": None} | config
        self.hashes = {
            "task_hash": md5(task.encode()).hexdigest(),
            "model_hash": md5(json.dumps(self.model_config).encode()).hexdigest(),
        }
        self.documents = []
        for doc_id in range(N):
            label, outputs = doc_id % 4, choices(doc_id, seed)
            for output in outputs:
                bits = -1.44269504089 * output["sum_logits"]
                output |= {
                    "logits_per_token": output["sum_logits"] / output["num_tokens"],
                    "logits_per_char": output["sum_logits"] / output["num_chars"],
                    "logits_per_byte": bits / output["num_chars"],
                }
            stored, _ = arithmetic(outputs, label)
            self.documents.append(
                {"doc_id": doc_id, "native_id": f"q{doc_id}", "metrics": stored,
                 "model_output": outputs, "label": label, **self.hashes}
            )  # fmt: skip
        accuracies = [name for name in self.documents[0]["metrics"] if name.startswith("acc_")]
        means = {
            name: math.fsum(one["metrics"][name] for one in self.documents) / N
            for name in accuracies
        }
        self.record = {
            "task_name": self.task_name,
            **self.hashes,
            "model_config": self.model_config,
            "task_config": {
                "task_name": self.task_name, "primary_metric": "acc_raw", "num_shots": 5,
                "metadata": {"alias": alias},
            },
            "processing_time": 1.5,
            "current_date": f"2025-06-01 10:00:{seed % 60:02} UTC",
            "num_instances": N,
            "metrics": means | {"primary_score": means["acc_raw"]},
        }  # fmt: skip

    def write_predictions(self, path: Path) -> None:
        write_jsonl(path, self.documents)


def write_calls(folder: Path, *calls: Call, names: list[str] | None = None) -> Path:
    """A results directory; the predictions are numbered in another order than the records."""
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "metrics-all.jsonl", [call.record for call in calls])
    for number, call in enumerate(reversed(calls)):
        name = names[number] if names else f"task-{number:03}-{call.task_name}"
        call.write_predictions(folder / f"{name}-predictions.jsonl")
    return folder


# -- the cases ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    if not CASES.is_dir():
        pytest.skip("needs the cases in ../shared/cases, which a clone does not have")
    warehouse = Warehouse(tmp_path_factory.mktemp("cases"))
    for case in sorted(CASES.iterdir()):
        land(warehouse, case / "in")
    warehouse.build(*ONLY, tests=True)
    return warehouse


def test_both_spellings_fill_the_columns(cases: Warehouse) -> None:
    """`02-new-names`: bits_per_byte was logits_per_byte, and everything per byte was null."""
    path = next((CASES / "02-new-names").rglob("*-predictions.jsonl"))
    documents = {one["doc_id"]: one for one in map(json.loads, path.read_text().splitlines())}
    rows = cases.rows("from marts.posttrain_questions where model = 'acme/olmo-1b'")
    assert len(rows) == len(documents)
    for row in rows:
        stored = documents[row["doc_id"]]["metrics"]
        for name in ("acc_per_byte", "predicted_index_per_byte"):
            assert row[name] == stored[name]
        assert row["bits_per_byte_corr"] == pytest.approx(stored["bits_per_byte_corr"])
    assert cases.query(
        "select count(bits_per_byte) from marts.posttrain_choices where model = 'acme/olmo-1b'"
    ) == [(sum(len(one["model_output"]) for one in documents.values()),)]


def test_variants_of_a_task_are_told_apart(cases: Warehouse) -> None:
    """`03b-variants-other-order`: their predictions went by the name of the task."""
    assert cases.query(
        "select task, task_variant, num_instances, is_newest from marts.posttrain_evaluations "
        "where model = 'v/b' order by all"
    ) == [
        ("arc_challenge", "rc::olmes", 5, True),
        ("arc_challenge", "rc::olmes:full", 8, True),
    ]
    assert cases.query(
        "select task_variant, count(*) from marts.posttrain_questions where model = 'v/b' "
        "and is_newest group by all order by all"
    ) == [("rc::olmes", 5), ("rc::olmes:full", 8)]


def test_three_checkpoints_are_three(cases: Warehouse) -> None:
    """`05-model-path`: one name of a model was one row, and a person's folder hid the step."""
    assert cases.query(
        "select checkpoint_step, count(distinct model_hash), count(*) "
        "from marts.posttrain_evaluations where model = 'olmo-1b' and is_newest "
        "group by all order by all"
    ) == [(1000, 1, 1), (2000, 1, 1), (3000, 1, 1)]
    paths = cases.query("select distinct model_path from marts.posttrain_evals "
                        "where model = 'olmo-1b'")  # fmt: skip
    assert all("jdoe" not in path for (path,) in paths) and len(paths) == 3


def test_nan_agrees_with_nan(cases: Warehouse) -> None:
    """`06-nan`: NaN and -Infinity that agree with their metrics failed the build."""
    rows = cases.rows("from marts.posttrain_questions where model = 'n/nan' order by doc_id")
    assert math.isnan(rows[1]["sum_logits_corr"])
    assert cases.query(
        "select isnan(value) from marts.posttrain_evals where model = 'n/nan' "
        "and metric = 'sum_logits_corr'"
    ) == [(True,)]


def test_no_revision_is_invented(cases: Warehouse) -> None:
    """`26-folder-revision`: a folder named after the model was taken for one with a revision."""
    assert cases.query(
        "select model, revision, n_records from marts.posttrain_evaluations where task = 'piqa'"
    ) == [("EleutherAI/pythia-160m", None, 4)]


def test_the_cases_reconcile(cases: Warehouse) -> None:
    assert cases.rows(UNRECONCILED) == []
    assert cases.query("select count(*) from intermediate.int_posttrain_predictions__compared "
                       "where is_ok") != [(0,)]  # fmt: skip


# -- inputs of the same kinds ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Several calls and models, of which each test looks at its own."""
    top = tmp_path_factory.mktemp("odd")
    write_calls(
        top / "two_models",
        Call("arc_easy:rc::olmes", model="two/a", seed=1),
        Call("arc_easy:rc::olmes", model="two/b", seed=2),
        names=["task-000-arc_easy_rc__olmes", "task-001-arc_easy_rc__olmes"],
    )
    write_calls(
        top / "variants",
        *(Call(task, model="of/variants", seed=number) for number, task in enumerate(
            ["piqa:rc::olmes", "piqa:mc::olmes", "piqa::olmo1", "piqa:bpb::olmes"])),
    )  # fmt: skip
    for step in (100, 200):
        reused = Call("boolq", model="reused/path", seed=step, model_path="/tmp/model")
        write_calls(top / f"run/step_{step}/olmes_eval", reused)
    known = Call("boolq", model="known__main", seed=1)
    unknown = Call("boolq", model=None, seed=59)  # later than the other
    unknown.record["model_hash"] = None
    write_calls(top / "a/x__main", known)
    write_calls(top / "known__main", unknown)
    moved = Call("csqa", model="moved/m", seed=3)
    write_calls(top / "here/moved_m__main", moved)
    write_calls(top / "there/copy", moved)
    warehouse = Warehouse(top / "warehouse")
    land(warehouse, top)
    warehouse.build(*ONLY, tests=True)
    return warehouse


def test_two_models_in_one_directory(odd: Warehouse) -> None:
    """Two calls, one file of metrics, and names in which the colons were replaced."""
    assert odd.query(
        "select model, task_variant, count(*), count(evaluation_id) "
        "from marts.posttrain_questions where model like 'two/%' group by all order by all"
    ) == [("two/a", "rc::olmes", N, N), ("two/b", "rc::olmes", N, N)]
    assert odd.query("select distinct n_paths from marts.posttrain_evaluations "
                     "where model like 'two/%'") == [(2,)]  # fmt: skip


def test_variants_are_evaluations_of_their_own(odd: Warehouse) -> None:
    assert odd.query(
        "select task_variant, bool_and(is_newest) from marts.posttrain_questions "
        "where model = 'of/variants' group by all order by all"
    ) == [("bpb::olmes", True), ("mc::olmes", True), ("olmo1", True), ("rc::olmes", True)]


def test_a_path_that_is_used_again_is_another_checkpoint(odd: Warehouse) -> None:
    """Each checkpoint was copied to one place to be evaluated: only the folders know the step."""
    assert odd.query(
        "select checkpoint_step, checkpoint_step_source, is_newest "
        "from marts.posttrain_evaluations where model = 'reused/path' order by all"
    ) == [(100, "folder", True), (200, "folder", True)]


def test_a_record_without_a_model_is_nobody_elses(odd: Warehouse) -> None:
    """The folder has the name of a model that is known."""
    assert odd.query(
        "select model, is_model_known, is_newest, n_evaluations from marts.posttrain_evaluations "
        "where model = 'known__main' order by all"
    ) == [("known__main", False, True, 1), ("known__main", True, True, 1)]


def test_a_copy_elsewhere_is_the_same_evaluation(odd: Warehouse) -> None:
    assert odd.query(
        "select revision, n_records from marts.posttrain_evaluations where model = 'moved/m'"
    ) == [("main", 2)]


def test_the_odd_ones_reconcile(odd: Warehouse) -> None:
    assert odd.rows(UNRECONCILED) == []


# -- in any order, in any folders -----------------------------------------------------------------

CALLS = tuple(
    Call(task, model=model, seed=number)
    for number, (model, task) in enumerate(
        (model, task)
        for model in ("org/m", "org/n")
        for task in ("arc_easy:rc::olmes", "arc_easy:mc::olmes", "boolq:rc::olmes")
    )
)


def facts(warehouse: Warehouse) -> dict[str, Counter[Any]]:
    """What the marts say, but for where it was found."""
    places = {
        "posttrain_evals": "n_paths",
        "posttrain_questions": "predictions_id, predictions_sha256",
        "posttrain_choices": "predictions_id, predictions_sha256",
    }
    return {
        mart: Counter(warehouse.query(f"select * exclude ({columns}) from marts.{mart}"))
        for mart, columns in places.items()
    }


def folders_of(places: list[int], top: Path) -> Iterator[Path]:
    for place in dict.fromkeys(places):
        here = [call for call, at in zip(CALLS, places, strict=True) if at == place]
        yield write_calls(top / f"folder_{place}", *here)


@given(places=st.lists(st.integers(0, 3), min_size=len(CALLS), max_size=len(CALLS)))
@settings(
    max_examples=2, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_neither_order_nor_folders_matter(
    places: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each example is a warehouse of its own, so there are few."""
    top = tmp_path_factory.mktemp("split")
    split, whole = Warehouse(top / "split"), Warehouse(top / "whole")
    for folder in reversed([*folders_of(places, top / "in")]):
        land(split, folder)
    land(whole, write_calls(top / "all", *CALLS))
    for warehouse in (split, whole):
        warehouse.build(*ONLY)
    assert facts(split) == facts(whole)
