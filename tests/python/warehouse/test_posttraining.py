"""Results of trained models: every number of the dumps is in the marts, once, with its places."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extract.simulator import instances as simulated_instances
from extract.simulator.posttrain import JUDGED, MODELS, NEWER, OLDER, SUITE, TASKS, write
from tests.python.warehouse.harness import Warehouse, assert_same_marts

NewWarehouse = Callable[[str], Warehouse]

MARTS = ("posttrain_evaluations", "posttrain_evals", "posttrain_questions", "posttrain_choices")
INSTANCE_MARTS = (
    "instance_tasks", "instance_questions", "instance_choices", "instance_reconciliations",
)  # fmt: skip
ONLY = ("--indirect-selection", "cautious", "--select", "+path:models/marts/posttrain",
        "path:models/intermediate/posttrain", "path:tests/posttrain",
        "+path:models/staging/posttrain")  # fmt: skip
N = 6  # questions of a task
FORMS = ("raw", "per_token", "per_char", "per_byte", "uncond")


def land(warehouse: Warehouse, *folders: Path, code: int = 0) -> dict[str, Any]:
    done = warehouse.attempt(sys.executable, "-m", "extract", "posttrain", *map(str, folders))
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    write(folder, n_questions=N)
    return folder


@pytest.fixture(scope="module")
def built(dumps: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(tmp_path_factory.mktemp("posttrain"))
    land(warehouse, dumps)
    warehouse.build(*ONLY, tests=True)
    return warehouse


@pytest.fixture
def own_dumps(dumps: Path, tmp_path: Path) -> Path:
    """To be changed."""
    return shutil.copytree(dumps, tmp_path / "own")


def results(dumps: Path, dump: str = NEWER) -> Path:
    model, revision = MODELS[0]
    return dumps / dump / "_eval_results" / f"{model.replace('/', '_')}__{revision}"


def records(dumps: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every record with the file it is in, read without the extractor."""
    for path in sorted(dumps.rglob("*")):
        if path.name == "metrics-all.jsonl" or path.name.endswith("-metrics.json"):
            for line in path.read_text().splitlines():
                yield str(path.relative_to(dumps)), json.loads(line)


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}" if name else key)
    else:
        yield name, value


def key_of(record: dict[str, Any]) -> tuple[str, str, str]:
    config = record["model_config"]
    return config["model"], config["revision"], record["task_name"]


def bits(value: float | None) -> str | None:
    return None if value is None else float(value).hex()


# -- evaluations ----------------------------------------------------------------------------------


def test_equal_records_are_one_row_with_all_their_places(dumps: Path, built: Warehouse) -> None:
    places = defaultdict(set)
    for path, record in records(dumps):
        content = json.dumps(record, sort_keys=True)
        places[content].add(path)
        if record["task_name"] != SUITE and path.startswith(NEWER):
            folder, task = (dumps / path).parent, record["task_name"]
            places[content] |= {
                str(file.relative_to(dumps)) for file in folder.glob("task-*")
                if f"-{task}-" in file.name
            }  # fmt: skip
    rows = built.rows("from marts.posttrain_evaluations")
    assert sorted(row["paths"] for row in rows) == sorted(map(sorted, places.values()))
    assert len(rows) == 2 * (len(TASKS) + 1 + 1)  # a suite, and one task judged twice
    assert sum(row["n_records"] for row in rows) == len(list(records(dumps)))


def test_two_models_of_one_configuration_stay_two(built: Warehouse) -> None:
    """A loader that removed duplicates by the configuration alone kept one of them."""
    assert built.query(
        "select count(distinct config_key), count(distinct task_hash), count(*) "
        "from marts.posttrain_evaluations where is_newest"
    ) == [(len(TASKS) + 1, len(TASKS) + 1, 2 * (len(TASKS) + 1))]
    assert set(
        built.query("select distinct model, revision from marts.posttrain_evals")
    ) == set(MODELS)  # fmt: skip


def test_every_metric_is_there_to_the_last_bit(dumps: Path, built: Warehouse) -> None:
    newest = {key_of(record): record for _, record in records(dumps)}  # newer dumps come later
    expected = {
        (*key, metric): bits(value)
        for key, record in newest.items()
        for metric, value in leaves(record["metrics"])
        # Stated twice, under its older name too.
        if not isinstance(value, str) and metric != "logits_per_byte_corr"
    }  # fmt: skip
    rows = built.rows("from marts.posttrain_evals")
    found = {
        (row["model"], row["revision"], row["task_name"], row["metric_name"]): bits(row["value"])
        for row in rows
    }
    assert len(rows) == len(found)
    assert found == expected
    for record in newest.values():
        metrics = record["metrics"]
        assert metrics.get("logits_per_byte_corr") == metrics.get("bits_per_byte_corr")
    assert not any(row["is_contradicted"] for row in rows)
    assert any(value is None for value in found.values())  # a null of the report is seen
    for row in rows:
        record = newest[row["model"], row["revision"], row["task_name"]]
        assert (row["task_hash"], row["model_hash"]) == (record["task_hash"], record["model_hash"])
        assert row["is_primary"] == (row["metric_name"] == record["task_config"]["primary_metric"])
        assert row["is_suite"] == (row["task_name"] == SUITE)
        assert row["n_evaluations"] == (2 if row["task_name"] == JUDGED else 1)


def test_what_is_no_number_is_counted(built: Warehouse) -> None:
    assert built.query(
        "select distinct task_name, n_other_metrics, metrics ->> '$.judge' "
        f"from marts.posttrain_evaluations where task_name = '{JUDGED}' order by all"
    ) == [(JUDGED, 1, "judge-1"), (JUDGED, 1, "judge-2")]


def test_the_newer_dump_counts_where_a_judge_has_left_the_date(built: Warehouse) -> None:
    rows = built.rows(f"from marts.posttrain_evaluations where task_name = '{JUDGED}'")
    assert len(rows) == 4
    assert len({row["evaluated_at"] for row in rows}) == 1
    for row in rows:
        assert row["is_newest"] == ("judge-2" in row["metrics"])
        assert all(path.startswith(NEWER if row["is_newest"] else OLDER) for path in row["paths"])


def test_configurations_are_kept(dumps: Path, built: Warehouse) -> None:
    """The limit of 1e19 is above BIGINT."""
    configs = {key_of(record): record["task_config"] for _, record in records(dumps)}
    for row in built.rows("from marts.posttrain_evaluations"):
        key = row["model"], row["revision"], row["task_name"]
        assert json.loads(row["task_config"]) == configs[key]
        assert json.loads(row["task_config"])["limit"] == 10**19


# -- questions ------------------------------------------------------------------------------------


def test_questions_are_scored(dumps: Path, built: Warehouse) -> None:
    """By the same arithmetic as those of the published checkpoints; texts are not scored."""
    tasks = {task.group: task for task in TASKS}
    found = {
        (row["model"], row["revision"], row["task_name"], row["doc_id"]): row
        for row in built.rows("from marts.posttrain_questions")
    }
    choices = defaultdict(list)
    for row in built.rows("from marts.posttrain_choices order by choice_index"):
        choices[row["model"], row["revision"], row["task_name"], row["doc_id"]].append(row)
    for model, revision in MODELS:
        folder = dumps / NEWER / "_eval_results" / f"{model.replace('/', '_')}__{revision}"
        for path in folder.glob("*-predictions.jsonl"):
            task = tasks[path.name.removesuffix("-predictions.jsonl")]
            for document in map(json.loads, path.read_text().splitlines()):
                row = found.pop((model, revision, task.name, document["doc_id"]))
                its_choices = choices[model, revision, task.name, document["doc_id"]]
                assert row["evaluation_id"] and row["task_hash"] == document["task_hash"]
                if task.has_choices:
                    check_scores(row, document)
                    assert [one["sum_logits"] for one in its_choices] == [
                        one["sum_logits"] for one in document["model_output"]
                    ]
                else:
                    assert not its_choices
                    check_text(row, document)
    assert not found


def check_scores(row: dict[str, Any], document: dict[str, Any]) -> None:
    choices, label = document["model_output"], document["label"]
    stored, derived = simulated_instances.arithmetic(choices, label)
    assert (row["n_choices"], row["correct_choice"]) == (len(choices), label)
    assert row["n_outputs"] is None and row["is_label_in_range"]
    for form in FORMS:
        assert row[f"predicted_index_{form}"] == stored.get(f"predicted_index_{form}")
        assert row[f"acc_{form}"] == stored.get(f"acc_{form}")
    for name, value in derived.items():
        assert row[name] == pytest.approx(value, rel=1e-9), name


def check_text(row: dict[str, Any], document: dict[str, Any]) -> None:
    (output,) = document["model_output"]
    assert row["n_outputs"] == 1
    assert row["outputs"][0]["sum_logits"] == output["sum_logits"]
    extra = json.loads(row["extra"])
    assert extra["metrics"] == document["metrics"]
    assert extra["model_output"][0]["continuation"] == output["continuation"]
    assert (row["label"], row["label_text"]) == (None, document["label"])
    for name in ("n_choices", "correct_choice", "is_label_in_range", "acc_raw", "no_answer",
                 "total_prob", "margin", "uncond_total_prob", "is_tie"):  # fmt: skip
        assert row[name] is None, name


def alter_log_likelihood(lines: list[str]) -> list[str]:
    document = json.loads(lines[0])
    document["model_output"][0]["sum_logits"] -= 0.5
    return [json.dumps(document), *lines[1:]]


def answer_wrongly(lines: list[str]) -> list[str]:
    """Also what follows from the log-likelihoods, as after an evaluation of another model."""
    document = json.loads(lines[0])
    choices = document["model_output"]
    choices.reverse()
    document["metrics"], _ = simulated_instances.arithmetic(choices, document["label"])
    return [json.dumps(document), *lines[1:]]


@pytest.mark.parametrize(
    ("change", "checks"),
    [
        (alter_log_likelihood, {"identities"}),
        (answer_wrongly, {"mean_acc_raw"}),
        (lambda lines: lines[:-1], {"line_count"}),
    ],
    ids=["altered", "wrong", "dropped"],
)
def test_predictions_of_another_evaluation_are_found(
    own_dumps: Path,
    warehouse: Warehouse,
    change: Callable[[list[str]], list[str]],
    checks: set[str],
) -> None:
    path = results(own_dumps) / f"{TASKS[1].group}-predictions.jsonl"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    land(warehouse, own_dumps)
    warehouse.build(*ONLY, "+int_issues__posttrain")
    issues = warehouse.query(
        "select distinct split_part(subject, '/', -1) from intermediate.int_issues__posttrain "
        "where kind = 'failed_posttrain_reconciliation'"
    )
    assert issues == [(TASKS[1].name,)]
    found = warehouse.query(
        "select task_name, check_name from intermediate.int_posttrain_predictions__compared "
        "where not is_ok"
    )
    assert {task for task, _ in found} == {TASKS[1].name}
    assert checks <= {check for _, check in found}


def test_values_that_are_not_stored_are_not_held_against_others(
    own_dumps: Path, warehouse: Warehouse
) -> None:
    """All `*_corr` can be absent, and what is derived of each choice; accuracies are checked."""
    path = results(own_dumps) / f"{TASKS[1].group}-predictions.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    for document in documents:
        for values in (document["metrics"], *document["model_output"]):
            for name in [*values]:
                if name.endswith("_corr") or name.startswith("logits_per_"):
                    del values[name]
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    land(warehouse, own_dumps)
    warehouse.build(*ONLY, tests=True)
    assert warehouse.query(
        "select check_name, is_ok from intermediate.int_posttrain_predictions__compared "
        f"where task_name = '{TASKS[1].name}' and model = '{MODELS[0][0]}' "
        "and is_ok is distinct from true and check_name not like 'mean_%' order by all"
    ) == [("identities", None), ("labelled_choice", None)]


# -- again ----------------------------------------------------------------------------------------


def test_the_order_of_landing_does_not_matter(
    dumps: Path, built: Warehouse, warehouse: Warehouse
) -> None:
    for dump in (NEWER, OLDER):
        land(warehouse, dumps / dump)
        warehouse.build(*ONLY, tests=True)
    assert_same_marts(warehouse, built, MARTS)
    land(warehouse, dumps)
    warehouse.build(*ONLY)
    assert_same_marts(warehouse, built, MARTS)


def test_a_judge_that_rewrites_a_directory_adds_an_evaluation(
    own_dumps: Path, warehouse: Warehouse
) -> None:
    land(warehouse, own_dumps)
    path = results(own_dumps) / f"{TASKS[4].group}-metrics.json"
    record = json.loads(path.read_text())
    for number in (1, 2):
        record["metrics"] |= {
            "length_controlled_winrate": number / 10,
            "primary_score": number / 10,
        }
        path.write_text(json.dumps(record))
        summary = land(warehouse, own_dumps)
        assert (summary["directories"], summary["questions"]) == (1, 0)
    warehouse.build(*ONLY, tests=True)
    (row,) = warehouse.rows(
        f"from marts.posttrain_evals where task_name = '{JUDGED}' and is_primary "
        f"and model = '{MODELS[0][0]}'"
    )
    # The last one; metrics-all.jsonl still has what the first judge of this dump said.
    assert (row["value"], row["n_evaluations"]) == (0.2, 4)
    assert warehouse.query("select count(*) from marts.posttrain_questions") == [
        (2 * len(TASKS) * N,)
    ]


def test_of_rewritten_predictions_the_last_ones_are_newest(
    own_dumps: Path, warehouse: Warehouse
) -> None:
    """With equal metrics both files are of one evaluation; means over both count twice."""
    land(warehouse, own_dumps)
    path = results(own_dumps) / f"{TASKS[0].group}-predictions.jsonl"
    documents = [json.loads(line) for line in path.read_text().splitlines()]
    for document in documents:
        document["native_id"] = f"again {document['doc_id']}"
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    assert land(warehouse, own_dumps)["questions"] == N
    warehouse.build(*ONLY, tests=True)
    assert warehouse.query("select count(*) from marts.posttrain_questions") == [
        ((2 * len(TASKS) + 1) * N,)
    ]
    rows = warehouse.rows("from marts.posttrain_questions where is_newest")
    assert len(rows) == 2 * len(TASKS) * N
    again = [row for row in rows if str(row["native_id"]).startswith("again ")]
    assert len(again) == N
    assert {row["evaluation_id"] for row in again} == {
        row["evaluation_id"]
        for row in warehouse.rows("from marts.posttrain_questions where not is_newest")
    }
    n_choices = sum(len(document["model_output"]) for document in documents)
    assert warehouse.query(
        "select is_newest, count(*) from marts.posttrain_choices "
        f"where (model, task_name) = ('{MODELS[0][0]}', '{TASKS[0].name}') "
        f"and evaluation_id = '{again[0]['evaluation_id']}' group by all order by all"
    ) == [(False, n_choices), (True, n_choices)]


def test_without_results_the_marts_are_empty(warehouse: Warehouse) -> None:
    warehouse.raw.mkdir()
    warehouse.build(*ONLY, tests=True)
    for mart in MARTS:
        assert warehouse.query(f"select count(*) from marts.{mart}") == [(0,)]


def test_questions_of_published_checkpoints_stay_as_they_are(
    dumps: Path, new_warehouse: NewWarehouse, tmp_path: Path
) -> None:
    """Both go through one model."""
    simulated_instances.write(
        tmp_path, "dolma1.7", checkpoints=[("150M", 2, 1250)], questions_per_task=2
    )
    alone, both = new_warehouse("alone"), new_warehouse("both")
    for warehouse in (alone, both):
        done = warehouse.attempt(
            sys.executable, "-m", "extract", "instances", "dolma1.7", "--source", str(tmp_path)
        )
        assert done.returncode == 0, done.stderr
    land(both, dumps)
    for warehouse in (alone, both):
        warehouse.build("--select", "+path:models/marts/instances", "+path:models/marts/posttrain")
    assert_same_marts(alone, both, INSTANCE_MARTS)
    assert both.query("select count(*) from marts.instance_questions") == [(66 * 2,)]
    assert both.query("select count(*) from marts.posttrain_questions") == [(2 * len(TASKS) * N,)]
