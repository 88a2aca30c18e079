"""The simulated pretraining tables: determinism, coverage, and the releases' irregularities."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from extract.huggingface import pretrain_tables as tables
from extract.huggingface.pretrain_tables import PERPLEXITY_SETS, Table
from extract.simulator.pretrain import Written, write
from tests.python.testing import ROOT

# Of all rows of a small simulation, numbers to nine digits. It changes with the simulator only; the
# versions of DuckDB that the project runs on agree on it.
PINNED = "42b24de292da546a47f9bf9dba64e5e94e02a8af41d7cc8622c4313966bd3259"

PERPLEXITY_COLUMNS = [f"eval/{name}-validation/Perplexity" for name in PERPLEXITY_SETS]
SEEDS = {"default", "small aux 2", "small aux 3"}
LARGE_SEEDS = {"large aux 2", "large aux 3"}
UNCONDITIONED = {
    "acc_uncond", "predicted_index_uncond", "uncond_correct_prob", "uncond_correct_prob_per_token",
    "uncond_correct_prob_per_char", "uncond_total_prob",
}  # fmt: skip
ONLY_OF_37 = {  # of the 37 keys only (spec pretraining, section 4.2)
    "correct_logit_per_byte", "correct_prob_per_byte", "margin_per_byte", "total_prob_per_byte",
    "norm_correct_prob_per_byte", "uncond_correct_prob_per_byte",
}  # fmt: skip
EMPTY_FILES = {
    "ppl": tables.PPL,
    "evals": tables.EVALS,
    "macro_avg": tables.MACRO_AVG,
    "scaling_law_fits": tables.SCALING_LAW_FITS,
}


def read(path: Path, query: str = "from rows") -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        con.execute(f"create view rows as from read_parquet('{path}')")
        return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Every checkpoint with perplexities; evaluations of the first models only."""
    return write(tmp_path_factory.mktemp("small"), digits=6, max_evaluated=150)


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Evaluations of every model, at its first and last checkpoint."""
    return write(tmp_path_factory.mktemp("sparse"), digits=6, evals_every=1000)


def test_the_same_arguments_give_the_same_rows(small: Written, tmp_path: Path) -> None:
    def lines(written: Written) -> Iterator[str]:
        for name, path in written.files.items():
            for row in read(path):
                values = [f"{v:.9g}" if isinstance(v, float) else str(v) for v in row]
                yield f"{name}: {', '.join(values)}\n"

    def fingerprint(written: Written) -> str:
        return hashlib.sha256("".join(lines(written)).encode()).hexdigest()

    assert fingerprint(small) == PINNED
    assert fingerprint(write(tmp_path, digits=6, max_evaluated=150)) == PINNED


def test_every_model_is_there(sparse: Written) -> None:
    for name in ("ppl", "evals"):
        seeds: dict[tuple[str, str], set[str]] = defaultdict(set)
        for recipe, params, seed in read(
            sparse.files[name], "select distinct data, params, seed from rows"
        ):
            seeds[recipe, params].add(seed)
        assert len(seeds) == 25 * 14
        for (_, params), found in seeds.items():
            assert found == (SEEDS | LARGE_SEEDS if params == "1B" else SEEDS)


def test_checkpoints_are_on_the_grid(sparse: Written) -> None:
    """Every 1250 steps and at the end, which differs by size and seed."""
    with (ROOT / "seeds" / "model_size_registry.csv").open() as stream:
        final = {row["params"]: int(row["final_step"]) for row in csv.DictReader(stream)}
    steps = {
        (recipe, params, seed): found
        for recipe, params, seed, found in read(
            sparse.files["ppl"],
            "select data, params, seed, list(step order by step) from rows group by all",
        )
    }
    for (recipe, params, seed), found in steps.items():
        last = {
            ("1B", "small aux 2"): 17339, ("1B", "small aux 3"): 17339,
            ("750M", "small aux 2"): 28257, ("750M", "small aux 3"): 28257,
            ("530M", "small aux 2"): 51411, ("530M", "small aux 3"): 51411,
        }.get((params, seed), final[params])  # fmt: skip
        late = [5735] if (recipe, params, seed) == ("Dolma1.7", "4M", "default") else []
        assert found == [*range(1250, last, 1250), last, *late]
    evaluated = dict(
        read(sparse.files["evals"], "select params, [min(step), max(step)] from rows group by 1")
    )
    assert evaluated["4M"] == [0, 5725]  # evaluated untrained, and not at 5735
    assert evaluated["750M"][1] <= 26250
    assert evaluated["1B"] == [0, 69369]


def test_evaluations_are_of_all_tasks_with_tokens_and_compute(sparse: Written) -> None:
    assert read(
        sparse.files["evals"],
        "select distinct n_rows, n_tasks from (select count(*) as n_rows, "
        "count(distinct task) as n_tasks from rows group by data, params, seed, step)",
    ) == [(66, 66)]
    assert read(
        sparse.files["evals"],
        "select distinct tokens // step, compute / step from rows where params = '1B' and step > 0",
    ) == [(1_441_792, 10_180_481_777_664_000.0)]
    assert read(sparse.files["evals"], "select max(tokens), max(compute) from rows where step = 0")[
        0
    ] == (0, 0.0)


def test_both_vocabularies_are_there(sparse: Written) -> None:
    """34 keys or 37, of which two tasks lack those without context; one vocabulary a recipe."""
    found: dict[str, set[frozenset[str]]] = defaultdict(set)
    lacking = set()
    for recipe, task, metrics in read(
        sparse.files["evals"],
        "select data, task, any_value(metrics) from rows where step > 0 group by 1, 2",
    ):
        values = ast.literal_eval(metrics)
        found[recipe].add(frozenset(values))
        if "acc_uncond" not in values:
            lacking.add(task)
    assert lacking == {"boolq", "winogrande"}
    sizes = set()
    for vocabularies in found.values():
        most, least = sorted(vocabularies, key=len, reverse=True)
        assert most - least == UNCONDITIONED | (most & {"uncond_correct_prob_per_byte"})
        assert len(most & ONLY_OF_37) in (0, len(ONLY_OF_37))
        sizes.add(len(most))
    assert sizes == {34, 37}


def test_perplexities_are_missing_here_and_there(small: Written) -> None:
    columns = ", ".join(f'avg(("{name}" is null)::int)' for name in PERPLEXITY_COLUMNS)
    (shares,) = read(small.files["ppl"], f"select {columns} from rows")
    assert len(shares) == 11
    assert all(0 < share < 0.03 for share in shares)


def test_averages_are_json_and_those_of_the_tasks(small: Written) -> None:
    released = {
        (step, task): json.loads(metrics)["primary_metric"]
        for step, task, metrics in read(
            small.files["macro_avg"],
            "select step, task, metrics from rows "
            "where (data, params, seed) = ('C4', '4M', 'default')",
        )
    }
    values: dict[int, dict[str, float]] = defaultdict(dict)
    for step, task, metrics in read(
        small.files["evals"],
        "select step, task, metrics from rows where (data, params, seed) = ('C4', '4M', 'default')",
    ):
        values[step][task] = ast.literal_eval(metrics)["primary_metric"]
    assert len(values) == 6 and len(released) == 6 * 11
    for step, primary in values.items():
        subjects = [value for task, value in primary.items() if task.startswith("mmlu_")]
        mmlu = sum(subjects) / 57
        nine = [value for task, value in primary.items() if not task.startswith("mmlu_")]
        assert released[step, "mmlu"] == pytest.approx(mmlu, rel=1e-12)
        assert released[step, "olmes_10_macro_avg"] == pytest.approx(
            (sum(nine) + mmlu) / 10, rel=1e-12
        )


@pytest.mark.parametrize("kind", EMPTY_FILES)
def test_the_empty_files_have_the_columns_that_are_read(kind: str) -> None:
    """Without one of them a build on an empty zone fails; a superfluous one nobody would miss."""
    path = ROOT / "models" / "base" / "huggingface" / "empty" / f"{kind}.parquet"
    columns = dict(read(path, "select column_name, column_type from (describe rows)"))
    assert read(path) == []
    table: Table = EMPTY_FILES[kind]
    expected = table.columns | table.optional
    assert columns.keys() == expected.keys()
    for name, types in expected.items():
        assert columns[name] in types - {"INTEGER", "FLOAT"}, name
    described = yaml.safe_load((path.parents[1] / "_huggingface__models.yml").read_text())
    name = {"macro_avg": "macro_avgs"}.get(kind, kind)
    (model,) = (one for one in described["models"] if one["name"] == f"base_huggingface__{name}")
    passed_on = {column["name"] for column in model["columns"]}
    assert {column for column in passed_on if column[0] != "_"} == columns.keys()


def test_the_perplexity_sets_of_the_models_are_those_of_the_extractor() -> None:
    macro = (ROOT / "macros" / "registries" / "perplexity_sets.sql").read_text()
    assert tuple(re.findall(r"^ +'([^']+)',$", macro, re.MULTILINE)) == PERPLEXITY_SETS
