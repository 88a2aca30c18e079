"""Question-level results: the marts are what plain Python makes of the lines, and add up."""

from __future__ import annotations

import json
import math
import tarfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.simulator import instances as simulator
from extract.simulator import pretrain
from extract.simulator.instances import SimulatedTask, all_tasks, arithmetic
from tests.python.warehouse.harness import (
    INSTANCE_MARTS,
    INSTANCES_ONLY,
    KILLED,
    WITHOUT_TESTS,
    Warehouse,
    assert_same_marts,
    moments,
)

NewWarehouse = Callable[[str], Warehouse]
Document = dict[str, Any]
Key = tuple[str, int, int]

RECIPE = "c4"
# Up to here the table of evaluations goes: six checkpoints of C4's smallest model, in its order.
AGGREGATE = [("4M", 2, step) for step in (0, 1250, 2500, 3750, 5000, 5725)]
KEYS: list[Key] = [("4M", 2, 0), ("4M", 2, 1250), ("4M", 2, 5725), ("150M", 14, 1250)]
# Among so many are ties, questions with three and five choices, and characters of several bytes.
N = 14
WITHOUT_UNCOND = {"boolq", "winogrande"}
KILLS = 6


def write_pretraining(folder: Path) -> Path:
    """The published table, which agrees with the details of its six checkpoints."""
    scores = list(simulator.scores(RECIPE, AGGREGATE, N))
    pretrain.write(folder, max_perplexities=6, max_evaluated=len(AGGREGATE), scores=scores)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretraining(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    simulator.write(folder, RECIPE, checkpoints=KEYS, questions_per_task=N)
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    published: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Warehouse:
    """All of it landed and built at once, with every data test run."""
    built = Warehouse(tmp_path_factory.mktemp("undisturbed"))
    built.land_pretraining(published)
    built.land_instances(RECIPE, archive)
    built.build(*INSTANCES_ONLY, tests=True)
    return built


def simulated_tasks() -> Iterator[tuple[tuple[Any, ...], list[Document], dict[str, Any]]]:
    """The key of each task, its lines, and its metrics.json."""
    seeds = {2: "default", 14: "small aux 2"}
    for params, seed_number, step in KEYS:
        for task in all_tasks():
            simulated = SimulatedTask(RECIPE, params, seed_number, step, task, N)
            documents = list(simulated.documents())
            key = ("C4", params, seeds[seed_number], step, task.name)
            yield key, documents, simulated.metrics_json()


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("recipe", "params", "seed", "step", "task"))


def is_near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-15)


def metrics_of(document: Document) -> dict[str, float | None]:
    """All metrics of a question by the columns' names, in plain Python."""
    stored, derived = arithmetic(document["model_output"], document["label"])
    metrics: dict[str, float | None] = stored | derived
    bits = metrics.pop("logits_per_byte_corr")
    assert bits is not None
    metrics["correct_prob_per_byte_corrected"] = 2.0**-bits
    return metrics


# -- values ---------------------------------------------------------------------------------------


def test_every_metric_of_every_question_is_that_of_plain_python(undisturbed: Warehouse) -> None:
    found = {
        (*key_of(row), row["doc_id"]): row
        for row in undisturbed.rows("from marts.instance_questions")
    }
    contract = set(next(iter(found.values())))
    assert len(found) == len(KEYS) * 66 * N
    for key, documents, _ in simulated_tasks():
        for document in documents:
            row = found[*key, document["doc_id"]]
            expected = metrics_of(document)
            assert expected.keys() <= contract
            for name in expected:
                assert is_near(row[name], expected[name]), (key, document["doc_id"], name)
            if key[-1] in WITHOUT_UNCOND:
                assert all(row[name] is None for name in contract if "uncond" in name)
            assert row["label"] == row["correct_choice"] == document["label"]
            assert row["is_label_in_range"] and row["n_choices"] == len(document["model_output"])
            native_id = document["native_id"]
            kinds = {str: "text", int: "integer", type(None): "null"}
            assert row["native_id"] == (None if native_id is None else str(native_id))
            assert row["native_id_kind"] == kinds[type(native_id)]


def test_every_choice_is_that_of_its_line(undisturbed: Warehouse) -> None:
    found = {
        (*key_of(row), row["doc_id"], row["choice_index"]): row
        for row in undisturbed.rows("from marts.instance_choices")
    }
    n_choices = 0
    for key, documents, _ in simulated_tasks():
        for document in documents:
            for index, choice in enumerate(document["model_output"]):
                n_choices += 1
                row = found[*key, document["doc_id"], index]
                for name in ("sum_logits", "num_tokens", "num_tokens_all", "num_chars",
                             "is_greedy"):  # fmt: skip
                    assert row[name] == choice[name], name
                assert row["sum_logits_uncond"] == choice.get("sum_logits_uncond")
                assert is_near(row["bits_per_byte"], choice["logits_per_byte"])
                assert is_near(row["logits_per_char"], choice["logits_per_char"])
                assert is_near(row["prob"], math.exp(choice["sum_logits"]))
                assert row["is_correct"] == (index == document["label"])
    assert len(found) == n_choices


def test_every_mean_of_every_task_is_that_of_plain_python(undisturbed: Warehouse) -> None:
    found = {key_of(row): row for row in undisturbed.rows("from marts.instance_tasks")}
    assert len(found) == len(KEYS) * 66
    for key, documents, reported in simulated_tasks():
        row = found[key]
        values: dict[str, list[float]] = defaultdict(list)
        for document in documents:
            for name, value in metrics_of(document).items():
                if value is not None:
                    values[name].append(value)
        means = {name: math.fsum(some) / len(some) for name, some in values.items()}
        for name in means.keys() & row.keys():
            assert is_near(row[name], means[name]), (key, name)
        assert len(means.keys() & row.keys()) == (22 if key[-1] in WITHOUT_UNCOND else 27)
        assert row["n_questions"] == row["num_instances"] == N
        assert row["primary_score"] == reported["metrics"]["primary_score"]
        assert row["n_uncond_questions"] == (0 if key[-1] in WITHOUT_UNCOND else N)


# -- checks ---------------------------------------------------------------------------------------


def test_all_checks_hold(undisturbed: Warehouse) -> None:
    assert undisturbed.query(
        "select sum(n_failed) from marts.instance_reconciliation_summaries"
    ) == [(0,)]
    # Without a verdict is what has nothing to compare with, and only that.
    assert set(
        undisturbed.query(
            "select distinct check_name, params, task from marts.instance_reconciliations "
            "where is_ok is null and check_name != 'aggregate_primary_metric'"
        )
    ) == {
        (name, params, task)
        for name in ("mean_acc_uncond", "predicted_index_uncond")
        for params in ("4M", "150M")
        for task in WITHOUT_UNCOND
    } | {("macro_mmlu", "150M", "all"), ("macro_olmes_10", "150M", "all")}
    # The checkpoints that have no row in the table of evaluations.
    assert undisturbed.query(
        "select params, seed, step, count(*) from marts.instance_reconciliations where "
        "check_name = 'aggregate_primary_metric' and is_ok is null group by all"
    ) == [("150M", "small aux 2", 1250, 66)]


def test_every_check_has_its_data_test(undisturbed: Warehouse) -> None:
    manifest = json.loads((undisturbed.folder / "target" / "manifest.json").read_text())
    tested = [
        node["test_metadata"]["kwargs"]["check_name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name") == "reconciles"
    ]
    there = undisturbed.query("select distinct check_name from marts.instance_reconciliations")
    assert sorted(tested) == sorted(name for (name,) in there)
    assert len(tested) >= 12


# Each alteration is made in a checkpoint of its own, and fails these checks, in no other one.
Change = Callable[[dict[str, bytes], int], dict[str, bytes]]
ALTERATIONS: dict[str, tuple[Change, set[str]]] = {}
MEANS = {"mean_acc_raw", "mean_acc_per_token", "mean_acc_per_char", "mean_acc_per_byte"}
UNCOND = {"mean_acc_uncond"}
LOGITS = {"mean_sum_logits_corr", "mean_logits_per_token_corr", "mean_logits_per_char_corr"}
ANSWERS = {f"predicted_index_{form}" for form in simulator.INDICES}
MACROS = {"macro_mmlu", "macro_olmes_10"}


def alteration(*failing: set[str]) -> Callable[[Change], Change]:
    def remember(change: Change) -> Change:
        ALTERATIONS[change.__name__] = (change, set().union(*failing))
        return change

    return remember


def changed(
    files: dict[str, bytes], task: str, change: Callable[[Document], Any], only: int | None = 2
) -> dict[str, bytes]:
    """The predictions of a task with one document, or all, changed."""
    name = f"{task}-predictions.jsonl"
    documents = [json.loads(line) for line in files[name].splitlines()]
    for number, document in enumerate(documents):
        if only in (None, number):
            change(document)
    return files | {name: "".join(f"{json.dumps(line)}\n" for line in documents).encode()}


def reported(
    files: dict[str, bytes], task: str, change: Callable[[dict[str, Any]], Any]
) -> dict[str, bytes]:
    """The metrics.json of a task, changed."""
    name = f"{task}-metrics.json"
    record = json.loads(files[name])
    change(record)
    return files | {name: json.dumps(record).encode()}


def consistently(document: Document, index: int, logits: float) -> None:
    """Another log-probability of a choice, and everything that follows from it in the line."""
    choice = document["model_output"][index]
    bytes_per_char = choice["logits_per_byte"] / choice["logits_per_char"]
    choice["sum_logits"] = logits
    choice["logits_per_token"] = logits / choice["num_tokens"]
    choice["logits_per_char"] = logits / choice["num_chars"]
    choice["logits_per_byte"] = bytes_per_char * choice["logits_per_char"]
    document["metrics"], _ = arithmetic(document["model_output"], document["label"])


def the_right(document: Document) -> dict[str, Any]:
    return document["model_output"][document["label"]]


@alteration({"identities", "labelled_choice"}, LOGITS)
def one_log_likelihood(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        the_right(document)["sum_logits"] -= 1e-3

    return changed(files, "arc_easy", change)


@alteration({"identities"})
def one_log_likelihood_of_a_wrong_choice(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        document["model_output"][document["label"] - 1]["sum_logits"] -= 1e-3

    return changed(files, "arc_easy", change)


@alteration(LOGITS)
def one_log_likelihood_with_all_that_follows(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    """Right answers stay right, so only the means of log-probabilities show it."""

    def change(document: Document) -> None:
        right = the_right(document)
        consistently(document, document["label"], right["sum_logits"] - 1e-3)

    return changed(files, "arc_easy", change)


@alteration(MEANS)
def one_answer_with_all_that_follows(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    """A wrong choice becomes the answer of the first question that was answered right."""
    lines = files["mmlu_anatomy-predictions.jsonl"].splitlines()
    (first, *_) = (n for n, line in enumerate(lines) if json.loads(line)["metrics"]["acc_raw"])

    def change(document: Document) -> None:
        consistently(document, (document["label"] + 1) % 4, -0.001)

    return changed(files, "mmlu_anatomy", change, only=first)


@alteration({"aggregate_primary_metric"}, MACROS)
def a_whole_checkpoint_of_another_step(_: dict[str, bytes], step: int) -> dict[str, bytes]:
    """Everything in it agrees with everything else in it."""
    files = checkpoint_files(("4M", 2, 30000))
    for task in all_tasks():
        files = reported(
            files, task.name, lambda record: record["model_config"].update(revision=f"step{step}")
        )
    return files


@alteration({"correct_choice", "labelled_choice"}, MEANS, UNCOND, LOGITS, ANSWERS)
def one_label(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        document["label"] = (document["label"] + 1) % 4

    return changed(files, "arc_easy", change)


@alteration({"correct_choice"}, MEANS, UNCOND, ANSWERS)
def one_label_of_level_choices(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    """Question 5 has two choices that are the same in all respects."""

    def change(document: Document) -> None:
        document["label"] = 1 - document["label"]
        assert document["label"] in (0, 1)

    return changed(files, "piqa", change, only=5)


@alteration(LOGITS)
def one_label_with_all_that_follows(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        document["label"] = (document["label"] + 1) % 4
        document["metrics"], _ = arithmetic(document["model_output"], document["label"])

    return changed(files, "arc_easy", change)


@alteration(
    {"labels_in_range", "correct_choice", "labelled_choice"}, MEANS, UNCOND, LOGITS, ANSWERS
)  # fmt: skip
def a_label_that_is_text(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        document["label"] = "B"

    return changed(files, "arc_challenge", change)


@alteration({"question_count"})
def a_dropped_line_that_is_not_counted(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    """And metrics.json says so, and has the means of the others."""
    name = "boolq-predictions.jsonl"
    lines = files[name].splitlines(keepends=True)
    documents = [json.loads(line) for line in lines[:-1]]

    def change(record: dict[str, Any]) -> None:
        record["num_instances"] = N - 1
        for key in record["metrics"].keys() - {"primary_score"}:
            values = [metrics_of(line) | line["metrics"] for line in documents]
            record["metrics"][key] = math.fsum(line[key] for line in values) / (N - 1)
        record["metrics"]["primary_score"] = record["metrics"]["acc_raw"]

    return reported(files | {name: b"".join(lines[:-1])}, "boolq", change)


@alteration({"primary_score"}, MEANS, UNCOND)
def a_reported_accuracy(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(record: dict[str, Any]) -> None:
        for form in simulator.INDICES:
            record["metrics"][f"acc_{form}"] += 1e-6

    return reported(files, "csqa", change)


@alteration({"primary_score", "aggregate_primary_metric"}, MACROS)
def a_reported_score(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    return reported(
        files, "mmlu_virology", lambda record: record["metrics"].update(primary_score=0.25 + 1e-6)
    )


@alteration({"predicted_index_uncond"}, UNCOND)
def answers_without_their_unconditioned_form(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    """Reported, and stored with each question, but not to be recomputed."""

    def change(document: Document) -> None:
        for choice in document["model_output"]:
            del choice["sum_logits_uncond"]

    return changed(files, "openbookqa", change, only=None)


@alteration(ANSWERS)
def stored_answers(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        for form in simulator.INDICES:
            document["metrics"][f"predicted_index_{form}"] ^= 1

    return changed(files, "piqa", change)


@alteration({"predicted_index_raw"})
def a_stored_accuracy(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        document["metrics"]["acc_raw"] = 1 - document["metrics"]["acc_raw"]

    return changed(files, "piqa", change)


@alteration({"fewest_choices"}, MEANS, UNCOND)
def a_question_with_one_choice(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    def change(document: Document) -> None:
        document["model_output"] = [the_right(document)]
        document["label"] = 0
        document["metrics"], _ = arithmetic(document["model_output"], 0)

    return changed(files, "hellaswag", change)


@alteration(
    {"hashes", "revision_step", "repeated_questions", "line_count", "question_count", "task_count"},
    MEANS, LOGITS,
)  # fmt: skip
def landed_files(files: dict[str, bytes], _: int) -> dict[str, bytes]:
    """Changed after they have landed, because the extractor refuses such archives."""
    return files


def checkpoint_files(key: Key) -> dict[str, bytes]:
    return dict(simulator.checkpoint_files(RECIPE, *key, questions_per_task=N))


def inner_tarball(files: dict[str, bytes], step: int) -> bytes:
    return simulator.tarball((f"step-{step}/{name}", content) for name, content in files.items())


@pytest.fixture(scope="module")
def altered(
    published: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Warehouse, dict[str, Key]]:
    """A checkpoint for each alteration, and one of which a line was dropped."""
    folder = tmp_path_factory.mktemp("altered")
    # Those that the table of evaluations has come first.
    keys: list[Key] = [*AGGREGATE, *(("4M", 2, 6000 + 100 * n) for n in range(len(ALTERATIONS)))]
    names = sorted(ALTERATIONS, key=lambda name: name not in IN_THE_AGGREGATE)
    of_names = dict(zip(names, keys, strict=False))
    members = {}
    for name, key in of_names.items():
        change, _ = ALTERATIONS[name]
        members[key] = inner_tarball(change(checkpoint_files(key), key[2]), key[2])
    members[UNKNOWN] = inner_tarball(checkpoint_files(UNKNOWN), UNKNOWN[2])
    dropped = checkpoint_files(("150M", 2, 1250))
    lines = dropped["piqa-predictions.jsonl"].splitlines(keepends=True)
    dropped["piqa-predictions.jsonl"] = b"".join(lines[:5] + lines[6:])
    members["150M", 2, 1250] = inner_tarball(dropped, 1250)
    with tarfile.open(folder / f"{RECIPE}.tar.gz", "w:gz") as tar:
        for key, content in members.items():
            simulator.add(tar, simulator.member_name(RECIPE, *key), content)

    built = Warehouse(folder / "warehouse")
    built.land_pretraining(published)
    summary = built.land_instances(RECIPE, folder, code=1)
    assert (summary["checkpoints"], summary["refused"]) == (len(members) - 1, 1)
    alter_landed_files(built, of_names["landed_files"][2])
    built.build(*INSTANCES_ONLY)
    return built, of_names


UNKNOWN: Key = ("5M", 2, 1250)  # no such size
# Of which the table of evaluations has a row, to be held against it.
IN_THE_AGGREGATE = ("a_whole_checkpoint_of_another_step", "a_reported_score")


def alter_landed_files(built: Warehouse, step: int) -> None:
    """A task less, one with another hash, one of another step, and one with a question twice."""
    changes = {
        "tasks": "select * replace ("
        "if(task = 'piqa', 'x', prediction_task_hash) as prediction_task_hash, "
        "if(task = 'csqa', step + 1, revision_step) as revision_step) from '{}' "
        "where task != 'boolq'",
        "questions": "from '{0}' union all from '{0}' where task = 'winogrande' and doc_id = 3",
    }
    for kind, query in changes.items():
        (path,) = built.raw.glob(f"instances/**/*step={step}/**/*{kind}*.parquet")
        copy = path.with_suffix(".copy")
        duckdb.execute(f"copy ({query.format(path)}) to '{copy}' (format parquet)")
        copy.replace(path)


def failing_checks(built: Warehouse, key: Key) -> set[str]:
    params, _, step = key
    return {
        name
        for (name,) in built.query(
            "select distinct check_name from marts.instance_reconciliations "
            f"where not is_ok and params = '{params}' and step = {step}"
        )
    }


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_alteration_is_caught_by_its_checks(
    altered: tuple[Warehouse, dict[str, Key]], name: str
) -> None:
    built, keys = altered
    assert failing_checks(built, keys[name]) == ALTERATIONS[name][1]


def test_every_check_can_fail(altered: tuple[Warehouse, dict[str, Key]]) -> None:
    built, _ = altered
    assert failing_checks(built, UNKNOWN) == {"known_checkpoint"}
    assert (
        built.query(
            "select check_name from marts.instance_reconciliations "
            "group by all having count(*) filter (where not is_ok) = 0"
        )
        == []
    )


def test_a_failing_check_is_a_failing_data_test_of_its_name(
    altered: tuple[Warehouse, dict[str, Key]],
) -> None:
    """In a strict build; in any other it is a warning, and a row of the odd data."""
    built, _ = altered
    strictly = ("--vars", '{"strict": true}')
    selected = ("--select", "test_name:reconciles")
    done = built.attempt(*built.dbt_command("test", *selected, *strictly))
    checks = built.query("select distinct check_name from marts.instance_reconciliations")
    for (name,) in checks:
        assert f"Failure in test reconciles_instance_reconciliations_{name} " in done.stdout, name


def test_a_dropped_line_is_refused(altered: tuple[Warehouse, dict[str, Key]]) -> None:
    built, _ = altered
    ((item, message),) = built.query(
        "select item, message from staging.stg_instances__outcomes "
        "where status = 'refused' and reason = 'wrong_count'"
    )
    assert item == "c4/150M/seed-2/step-1250"
    assert "task piqa: has 13 predictions, its metrics.json says 14" in message
    assert built.query("select * from marts.instance_tasks where params = '150M'") == []


def test_a_label_that_is_text_is_kept(altered: tuple[Warehouse, dict[str, Key]]) -> None:
    """The evaluator takes it for 0."""
    built, keys = altered
    assert built.query(
        "select label, label_text, is_label_in_range, correct_choice, native_id, native_id_kind "
        "from marts.instance_questions where task = 'arc_challenge' and doc_id = 2 "
        f"and step = {keys['a_label_that_is_text'][2]}"
    ) == [(None, "B", False, 0, "Mercury_7000074", "text")]


# -- what has landed, in any order ----------------------------------------------------------------


def options_of(key: Key) -> list[str]:
    params, seed_number, step = key
    return ["--params", params, "--seed", str(seed_number), "--step", str(step)]


def test_one_more_checkpoint_is_added_and_one_that_is_gone_goes(
    undisturbed: Warehouse, published: Path, archive: Path, new_warehouse: NewWarehouse
) -> None:
    """What has been built of the others is not touched: marks in columns of no mart stay."""
    grown = new_warehouse("grown")
    grown.land_pretraining(published)
    for key in KEYS[:-1]:
        grown.land_instances(RECIPE, archive, *options_of(key))
    grown.build(*INSTANCES_ONLY)
    marks = {
        "staging.stg_instances__tasks": ("compute_config", "'mark'"),
        "intermediate.int_instance_questions__scored": ("_landed_at", "'mark'"),
        "intermediate.int_instance_tasks__recomputed": ("min_choices", "99"),
    }
    with duckdb.connect(str(grown.database)) as con:
        for table, (column, mark) in marks.items():
            con.execute(f"update {table} set {column} = {mark}")
    grown.land_instances(RECIPE, archive)
    grown.build(*INSTANCES_ONLY)
    for table, (column, mark) in marks.items():
        assert grown.query(
            f"select params, count(*) = count(*) filter (where {column} = {mark}) "
            f"from {table} group by all order by params"
        ) == [("150M", False), ("4M", True)]
        (n_marked,) = grown.query(
            f"select count(*) filter (where {column} = {mark} and params = '150M') from {table}"
        )
        assert n_marked == (0,)
    assert_same_marts(undisturbed, grown, INSTANCE_MARTS)

    for manifest in (grown.raw / "_manifests" / "instances").rglob("*.json"):
        if json.loads(manifest.read_text())["arguments"].get("params") == "150M":
            manifest.unlink()
    grown.build(*INSTANCES_ONLY)
    for mart in ("instance_tasks", "instance_questions", "instance_reconciliations"):
        assert grown.query(f"select distinct params, step from marts.{mart} order by step") == [
            ("4M", 0),
            ("4M", 1250),
            ("4M", 5725),
        ]
    assert grown.query("select count(*) from marts.instance_questions") == [(3 * 66 * N,)]


def test_a_build_killed_at_any_statement(
    undisturbed: Warehouse, published: Path, archive: Path, new_warehouse: NewWarehouse
) -> None:
    """Every kill meets a build with work to do: one more checkpoint, then all of them anew."""
    killed = new_warehouse("killed")
    killed.land_pretraining(published)
    command = ("build", *INSTANCES_ONLY, *WITHOUT_TESTS)
    whole = killed.start_dbt(*command)
    assert whole.wait() == 0
    for number, moment in enumerate(moments(whole.statements(), KILLS)):
        if number < len(KEYS):
            killed.land_instances(RECIPE, archive, *options_of(KEYS[number]))
        anew = () if number < len(KEYS) else ("--full-refresh",)
        assert killed.start_dbt(*command, *anew, dies_at=moment).wait() == KILLED
    killed.build(*INSTANCES_ONLY)
    assert_same_marts(undisturbed, killed, INSTANCE_MARTS)


def test_parts_of_checkpoints_without_any_other_source(
    archive: Path, new_warehouse: NewWarehouse
) -> None:
    """Of one checkpoint some tasks and later the rest, of another one task: each is complete."""
    warehouse = new_warehouse("parts")
    first, second = KEYS[:2]
    warehouse.land_instances(
        RECIPE, archive, *options_of(first), "--task", "mmlu", "--task", "piqa"
    )
    warehouse.land_instances(RECIPE, archive, *options_of(first))
    warehouse.land_instances(RECIPE, archive, *options_of(second), "--task", "piqa")
    warehouse.build(tests=True)
    assert warehouse.query(
        "select step, check_name, reported, recomputed, is_ok "
        "from marts.instance_reconciliations where task = 'all' order by all"
    ) == [
        (0, "known_checkpoint", 3, 3, True),
        (0, "macro_mmlu", None, pytest.approx(0.25, abs=0.1), None),
        (0, "macro_olmes_10", None, pytest.approx(0.3, abs=0.2), None),
        (0, "task_count", 66, 66, True),
        (1250, "known_checkpoint", 3, 3, True),
        (1250, "macro_mmlu", None, None, None),
        (1250, "macro_olmes_10", None, None, None),
        (1250, "task_count", 1, 1, True),
    ]  # fmt: skip
    assert warehouse.query(
        "select sum(n_failed), count(*) filter (where check_name = 'aggregate_primary_metric' "
        "and n_not_applicable != n_checks) from marts.instance_reconciliation_summaries"
    ) == [(0, 0)]
    assert warehouse.query("select count(*) from marts.pretrain_evals") == [(0,)]
    assert warehouse.query("select count(*) from marts.runs") == [(0,)]
