"""The published pretraining results: every number that was published is in the marts."""

from __future__ import annotations

import ast
import json
import math
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from extract.huggingface.pretrain_tables import PERPLEXITY_SETS
from extract.simulator.pretrain import Written, write
from tests.python.warehouse.harness import (
    KILLED,
    PRETRAIN_MARTS,
    PRETRAIN_ONLY,
    ROOT,
    WITHOUT_TESTS,
    Warehouse,
    assert_same_marts,
    moments,
)

NewWarehouse = Callable[[str], Warehouse]
Key = tuple[str, str, str, int]

SAMPLE = ROOT.parent / "shared" / "data" / "huggingface"
# Two threads share a table from 122,880 rows on: fewer would not show what depends on their order.
EVALS_EVERY = 16
KILLS = 5

METRICS = [
    "correct_choice", "acc_raw", "acc_per_token", "acc_per_char", "acc_per_byte", "acc_uncond",
    "no_answer", "sum_logits_corr", "logits_per_token_corr", "logits_per_char_corr",
    "bits_per_byte_corr", "correct_prob", "correct_prob_per_token", "correct_prob_per_char",
    "margin", "margin_per_token", "margin_per_char", "total_prob", "total_prob_per_token",
    "total_prob_per_char", "uncond_correct_prob", "uncond_correct_prob_per_token",
    "uncond_correct_prob_per_char", "uncond_total_prob", "norm_correct_prob",
    "norm_correct_prob_per_token", "norm_correct_prob_per_char", "primary_metric",
]  # fmt: skip
OLMES = [
    "arc_challenge", "arc_easy", "boolq", "csqa", "hellaswag", "mmlu_average", "openbookqa",
    "piqa", "socialiqa", "winogrande",
]  # fmt: skip


def parquet(path: Path) -> list[dict[str, Any]]:
    """The rows of a published table, read without the models."""
    with duckdb.connect() as con:
        cursor = con.execute("select * from read_parquet(?)", [str(path)])
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def key(row: dict[str, Any]) -> Key:
    return row.get("recipe") or row["data"], row["params"], row["seed"], row["step"]


def bits(value: float | None) -> str | None:
    """All that a number holds, its last bit and the sign of zero too."""
    return None if value is None else float(value).hex()


def is_near(one: float | None, other: float | None, relative: float = 1e-12) -> bool:
    """Whether two means are the same but for the order of their additions."""
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=relative, abs_tol=1e-15)


# -- the published sample --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published() -> Path:
    if not SAMPLE.is_dir():
        pytest.skip("needs the published results in ../shared/data, which a clone does not have")
    return SAMPLE


@pytest.fixture(scope="module")
def published_warehouse(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    built = Warehouse(tmp_path_factory.mktemp("published"))
    built.land_pretraining(published)
    built.build(*PRETRAIN_ONLY, tests=True)
    return built


@pytest.fixture(scope="module")
def raw_evals(published: Path) -> dict[tuple[Key, str], dict[str, float]]:
    """The metrics of each row as Python itself reads them."""
    rows = parquet(published / "eval_results.parquet")
    return {(key(row), row["task"]): ast.literal_eval(row["metrics"]) for row in rows}


def test_every_published_perplexity_is_there_to_the_last_bit(
    published: Path, published_warehouse: Warehouse
) -> None:
    raw = {
        key(row): [bits(row[f"eval/{name}-validation/Perplexity"]) for name in PERPLEXITY_SETS]
        for row in parquet(published / "ppl_results.parquet")
    }
    found = {
        key(row): [bits(row[f"{name}-valppl"]) for name in PERPLEXITY_SETS]
        for row in published_warehouse.rows("from marts.pretrain_checkpoints where has_ppl")
    }
    assert len(raw) == 21
    assert found == raw
    long = {
        (key(row), row["metric"]): bits(row["value"])
        for row in published_warehouse.rows("from marts.pretrain_metrics where task is null")
    }
    assert long == {
        (where, f"{name}-valppl"): value
        for where, values in raw.items()
        for name, value in zip(PERPLEXITY_SETS, values, strict=True)
        if value is not None
    }


def test_every_published_metric_is_there_to_the_last_bit(
    published_warehouse: Warehouse, raw_evals: dict[tuple[Key, str], dict[str, float]]
) -> None:
    mart = published_warehouse.rows("from marts.pretrain_evals where task <> 'mmlu_average'")
    found = {(key(row), row["task"]): {name: bits(row[name]) for name in METRICS} for row in mart}
    assert len(mart) == len(raw_evals) == 1584
    assert {name for metrics in raw_evals.values() for name in metrics} <= set(METRICS)
    assert found == {
        where: {name: bits(metrics.get(name)) for name in METRICS}
        for where, metrics in raw_evals.items()
    }


def test_mmlu_and_the_macro_average_are_plain_means(
    published_warehouse: Warehouse, raw_evals: dict[tuple[Key, str], dict[str, float]]
) -> None:
    subjects: dict[Key, list[dict[str, float]]] = defaultdict(list)
    primary: dict[Key, dict[str, float]] = defaultdict(dict)
    for (where, task), metrics in raw_evals.items():
        if task.startswith("mmlu_"):
            subjects[where].append(metrics)
        else:
            primary[where][task] = metrics["primary_metric"]
    found = {
        key(row): row
        for row in published_warehouse.rows("from marts.pretrain_evals where task = 'mmlu_average'")
    }
    checkpoints = {
        key(row): row for row in published_warehouse.rows("from marts.pretrain_checkpoints")
    }
    assert len(found) == len(subjects) == 24
    for where, rows in subjects.items():
        assert len(rows) == 57
        for name in METRICS:
            values = [row[name] for row in rows if name in row]
            expected = statistics.fmean(values) if values else None
            assert is_near(found[where][name], expected), name
        mmlu = statistics.fmean(row["primary_metric"] for row in rows)
        olmes = statistics.fmean([*primary[where].values(), mmlu])
        assert is_near(checkpoints[where]["mmlu_average"], mmlu)
        assert is_near(checkpoints[where]["olmes_10_macro_avg"], olmes)


def test_the_numbers_of_the_specification(published_warehouse: Warehouse) -> None:
    (row,) = published_warehouse.rows(
        "from marts.pretrain_checkpoints where params = '530M' and recipe = 'Dolma1.7' "
        "and seed = 'default' and step = 6250"
    )
    assert row["tokens"] == row["tokens_reported"] == 5_734_400_000
    assert row["compute"] == pytest.approx(row["compute_reported"], rel=1e-12)
    assert row["compute"] == pytest.approx(1.8238e19, rel=1e-5)
    assert row["compute_nominal"] == 6 * 530_000_000 * 5_734_400_000
    assert row["lr_at_step"] == pytest.approx(0.0027368998806870724, rel=1e-12)
    assert row["cumulative_lr"] == pytest.approx(13.599030236812395, rel=1e-9)
    assert row["pile-valppl"] == pytest.approx(13.8397, abs=5e-5)
    assert row["c4_en-valppl"] == pytest.approx(25.1079, abs=5e-5)
    assert row["mmlu_average"] == pytest.approx(0.257032, abs=5e-7)

    metrics = dict(
        published_warehouse.query(
            "select metric, value from marts.pretrain_metrics where params = '530M' "
            "and recipe = 'Dolma1.7' and step = 6250"
        )
    )
    assert metrics["arc_easy_primary_metric"] == pytest.approx(0.441498, abs=5e-7)
    assert metrics["arc_easy_acc_uncond"] == pytest.approx(0.428451, abs=5e-7)
    assert metrics["arc_easy_correct_prob"] == pytest.approx(0.000257525, abs=5e-10)
    assert metrics["mmlu_average_primary_metric"] == pytest.approx(0.257032, abs=5e-7)

    assert published_warehouse.query(
        'select step, round("pile-valppl", 4), has_evals, last_step_ppl, last_step_evals '
        "from marts.pretrain_checkpoints where params = '4M' order by step"
    ) == [
        (0, None, True, 5735, 5725),
        (1250, 285.8746, True, 5735, 5725),
        (2500, 204.7342, True, 5735, 5725),
        (3750, 171.0918, True, 5735, 5725),
        (5000, 147.1373, True, 5735, 5725),
        (5725, 143.9776, True, 5735, 5725),
        (5735, 143.8686, False, 5735, 5725),
    ]
    # One seed: a mean without a deviation, for perplexities and evaluations alike.
    assert published_warehouse.query(
        "select metric, n_seeds, mean = value, std from marts.pretrain_seed_stats "
        "join marts.pretrain_metrics using (recipe, params, step, metric) "
        "where params = '4M' and step = 5725 and metric in ('pile-valppl', 'piqa_acc_raw') "
        "order by metric"
    ) == [("pile-valppl", 1, True, None), ("piqa_acc_raw", 1, True, None)]


# -- simulated tables ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Every model at full length, evaluated at every few checkpoints."""
    return write(tmp_path_factory.mktemp("tables"), evals_every=EVALS_EVERY, digits=6)


@pytest.fixture(scope="module")
def tables(simulated: Written) -> Path:
    return simulated.files["ppl"].parents[1]


@pytest.fixture(scope="module")
def simulated_pretraining(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Landed and built undisturbed, with every data test."""
    built = Warehouse(tmp_path_factory.mktemp("pretraining"))
    built.land_pretraining(tables)
    built.build(*PRETRAIN_ONLY, tests=True)
    return built


def test_every_simulated_row_is_in_its_mart(
    simulated: Written, simulated_pretraining: Warehouse
) -> None:
    rows = simulated.rows
    n_evaluated = rows["evals"] // 66
    assert rows["evals"] > 122_880
    assert simulated_pretraining.query(
        "select task = 'mmlu_average', count(*) from marts.pretrain_evals group by 1 order by 1"
    ) == [(False, rows["evals"]), (True, n_evaluated)]
    assert simulated_pretraining.query(
        "select count(*) filter (where last_step_ppl is not null and step > 0), "
        "count(*) filter (where has_evals), count(*) filter (where n_olmes_tasks = 10) "
        "from marts.pretrain_checkpoints"
    ) == [(rows["ppl"], n_evaluated, n_evaluated)]
    assert simulated_pretraining.query("select count(*) from marts.scaling_law_fits") == [
        (rows["scaling_law_fits"],)
    ]
    # Both vocabularies have bits per byte, under three names.
    assert simulated_pretraining.query(
        "select count(bits_per_byte_corr), count(acc_per_byte) < count(*) from marts.pretrain_evals"
    ) == [(rows["evals"] + n_evaluated, True)]


def test_macro_averages_are_the_released_ones(
    simulated: Written, simulated_pretraining: Warehouse
) -> None:
    released = {
        (key(row), row["task"]): json.loads(row["metrics"])["primary_metric"]
        for row in parquet(simulated.files["macro_avg"])
    }
    found = {
        key(row): row
        for row in simulated_pretraining.rows("from marts.pretrain_checkpoints where has_evals")
    }
    assert len(released) == 11 * len(found)
    for (where, task), value in released.items():
        if task == "mmlu":
            assert math.isclose(found[where]["mmlu_average"], value, rel_tol=1e-10)
        elif task == "olmes_10_macro_avg":
            assert math.isclose(found[where]["olmes_10_macro_avg"], value, rel_tol=1e-10)


def test_statistics_over_seeds_are_those_of_the_values(simulated_pretraining: Warehouse) -> None:
    """Of one model, against Python's own mean and deviation."""
    values: dict[tuple[int, str], list[float]] = defaultdict(list)
    where = "where recipe = 'C4' and params = '1B'"
    for step, metric, value in simulated_pretraining.query(
        f"select step, metric, value from marts.pretrain_metrics {where}"
    ):
        values[step, metric].append(value)
    found = {
        (step, metric): stats
        for step, metric, *stats in simulated_pretraining.query(
            f"select step, metric, n_seeds, mean, std from marts.pretrain_seed_stats {where}"
        )
    }
    assert {len(group) for group in values.values()} == {2, 3, 5}
    assert found.keys() == values.keys()
    for group, (n_seeds, mean, std) in found.items():
        assert n_seeds == len(values[group])
        assert is_near(mean, statistics.fmean(values[group]))
        expected = statistics.stdev(values[group]) if n_seeds > 1 else None
        assert is_near(std, expected, 1e-6)


def test_building_twice_gives_the_same_marts(
    tables: Path, simulated_pretraining: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """Twice with nothing new and once from scratch; means to the last bit, whatever the threads."""
    twice = new_warehouse("twice")
    twice.land_pretraining(tables)
    for _ in range(2):
        twice.build(*PRETRAIN_ONLY)
        assert_same_marts(simulated_pretraining, twice, PRETRAIN_MARTS)
    assert twice.land_pretraining(tables)["already_landed"] == 4
    twice.build(*PRETRAIN_ONLY, "--full-refresh")
    assert_same_marts(simulated_pretraining, twice, PRETRAIN_MARTS)


def test_landing_in_two_calls_gives_the_same_marts(
    tables: Path, simulated_pretraining: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """Perplexities alone make checkpoints without evaluations, which arrive later."""
    halves = new_warehouse("halves")
    halves.land_pretraining(tables / "ppl-results")
    halves.build(*PRETRAIN_ONLY, tests=True)
    assert halves.query(
        "select bool_or(has_evals), bool_and(last_step_evals is null), "
        "count(olmes_10_macro_avg), count(*) > 20000 from marts.pretrain_checkpoints"
    ) == [(False, True, 0, True)]
    assert halves.query("select count(*) from marts.pretrain_evals") == [(0,)]
    halves.land_pretraining(tables / "eval-results")
    halves.build(*PRETRAIN_ONLY)
    assert_same_marts(simulated_pretraining, halves, PRETRAIN_MARTS)


def test_an_absent_source_gives_empty_marts_with_their_columns(
    simulated_pretraining: Warehouse, warehouse: Warehouse
) -> None:
    warehouse.build(*PRETRAIN_ONLY, tests=True)
    for mart in PRETRAIN_MARTS:
        assert warehouse.query(f"select count(*) from marts.{mart}") == [(0,)]
        describe = f"describe marts.{mart}"
        assert warehouse.query(describe) == simulated_pretraining.query(describe)


def test_the_newest_revision_replaces_the_older_one(warehouse: Warehouse, tmp_path: Path) -> None:
    """A corrected release lands as another commit: no row of the old one stays."""
    revisions = {"a" * 40: "4000, 0.25", "b" * 40: "5000, 0.75"}
    for revision, values in revisions.items():
        path = tmp_path / revision / "train-00000-of-00001.parquet"
        path.parent.mkdir()
        with duckdb.connect() as con:
            con.execute(
                "copy (select '4M' as params, 'C4' as data, 'piqa' as task, step, "
                "'default' as seed, '5xC' as chinchilla, step * 65536 as tokens, "
                "step * 1472527859712.0 as compute, "
                "'{''primary_metric'': ' || value || '}' as metrics "
                f"from (values ({values}), (1250, 0.5)) as rows (step, value)) to '{path}'"
            )
        done = warehouse.attempt(
            *warehouse.pretrain_command(path.parent), "--revision", f"eval-results={revision}"
        )
        assert done.returncode == 0, done.stderr
        warehouse.build(*PRETRAIN_ONLY)
    assert warehouse.query(
        "select step, primary_metric from marts.pretrain_evals order by step"
    ) == [(1250, 0.5), (5000, 0.75)]
    assert warehouse.query(
        "select step, last_step from marts.pretrain_checkpoints order by step"
    ) == [(1250, 5000), (5000, 5000)]
    # What the zone has lost, the warehouse loses too.
    for manifest in (warehouse.raw / "_manifests").rglob("*.json"):
        if "b" * 40 in manifest.read_text():
            manifest.unlink()
    warehouse.build(*PRETRAIN_ONLY)
    assert warehouse.query(
        "select step, primary_metric from marts.pretrain_evals order by step"
    ) == [(1250, 0.5), (4000, 0.25)]


def test_a_build_killed_again_and_again(
    tables: Path, simulated_pretraining: Warehouse, new_warehouse: NewWarehouse
) -> None:
    """Each kill meets a build that stores everything anew, at another of its statements."""
    killed = new_warehouse("killed")
    killed.land_pretraining(tables)
    command = ("build", "--full-refresh", *PRETRAIN_ONLY, *WITHOUT_TESTS)
    whole = new_warehouse("undisturbed")
    whole.raw = killed.raw
    undisturbed = whole.start_dbt(*command)
    assert undisturbed.wait() == 0
    for moment in moments(undisturbed.statements(), KILLS):
        assert killed.start_dbt(*command, dies_at=moment).wait() == KILLED
    killed.build(*PRETRAIN_ONLY)
    assert_same_marts(simulated_pretraining, killed, PRETRAIN_MARTS)
