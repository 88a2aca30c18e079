"""The dbt project is what it says: YAML keys are known, marts and documentation agree."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from dbt.jsonschemas.jsonschemas import project_schema, resources_schema
from jsonschema import Draft7Validator, ValidationError

from scripts import dictionary
from tests.python.warehouse.harness import ROOT, Warehouse

RESOURCE_FILES = sorted(
    path
    for folder in ("models", "seeds", "macros", "tests")
    for path in (ROOT / folder).rglob("*.yml")
)


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """The errors at the bottom of `anyOf` branches; the branch that fits best comes deepest."""
    if error.context:
        deepest = max(len(sub.absolute_path) for sub in error.context)
        for sub in error.context:
            if len(sub.absolute_path) == deepest:
                yield from _leaves(sub)
    else:
        yield error


def problems(schema: dict[str, Any], content: Any) -> list[str]:
    """What dbt's own schema has against a YAML file. dbt checks four adapters; not DuckDB."""
    return [
        f"{'.'.join(map(str, leaf.absolute_path))}: {leaf.message}"
        for error in Draft7Validator(schema).iter_errors(content)
        for leaf in _leaves(error)
        if leaf.validator == "additionalProperties"
    ]


@pytest.mark.parametrize("path", RESOURCE_FILES, ids=_relative)
def test_yaml_keys_are_known(path: Path) -> None:
    assert problems(resources_schema(), yaml.safe_load(path.read_text())) == []


def test_project_keys_are_known() -> None:
    content = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    assert problems(project_schema(), content) == []


@pytest.mark.parametrize(
    "misspelt",
    [
        {"models": [{"name": "m", "descripton": "x"}]},
        {"models": [{"name": "m", "columns": [{"name": "c", "data_typ": "int"}]}]},
        {"models": [{"name": "m", "config": {"materialised": "table"}}]},
    ],
    ids=["model", "column", "config"],
)
def test_misspelt_keys_are_found(misspelt: dict[str, Any]) -> None:
    """dbt on DuckDB accepts all of these without a word."""
    assert problems(resources_schema(), misspelt)


@pytest.fixture(scope="module")
def manifest(simulated_warehouse: Warehouse) -> dict[str, Any]:
    return json.loads((simulated_warehouse.folder / "target" / "manifest.json").read_text())


def _models(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in manifest["nodes"].values() if node["resource_type"] == "model")


def _columns_read(warehouse: Warehouse, model: dict[str, Any]) -> set[str]:
    """The columns of an ephemeral base model, from the empty files that its lists begin with."""
    sql = (warehouse.folder / "target" / "compiled" / model["package_name"]).joinpath(
        model["original_file_path"]
    )
    with duckdb.connect(str(warehouse.database), read_only=True) as con:
        for source, kind in re.findall(r"getvariable\('([a-z]+)_(\w+)_files'\)", sql.read_text()):
            empty = ROOT / "models" / "base" / source / "empty" / f"{kind}.parquet"
            con.execute(f"set variable {source}_{kind}_files = ['{empty}']")
        rows = con.execute(f"describe {sql.read_text()}").fetchall()
    return {name for name, *_ in rows}


@pytest.fixture(scope="module")
def catalog(simulated_warehouse: Warehouse, manifest: dict[str, Any]) -> dict[str, set[str]]:
    """model -> its columns, of every layer, as built; as read, of models that are not stored."""
    found = {
        model["name"]: _columns_read(simulated_warehouse, model)
        for model in _models(manifest)
        if model["config"]["materialized"] == "ephemeral"
    }
    for table, column in simulated_warehouse.query(
        "select table_name, column_name from duckdb_columns() "
        "where schema_name in ('base', 'staging', 'intermediate', 'marts')"
    ):
        found.setdefault(table, set()).add(column)
    return found


def test_every_column_of_every_model_is_documented(
    catalog: dict[str, set[str]], manifest: dict[str, Any]
) -> None:
    """The same set of columns in the warehouse and in the YAML, each with a description."""
    for model in _models(manifest):
        documented = model["columns"]
        assert set(documented) == catalog[model["name"]], model["name"]
        for name, column in documented.items():
            assert len(column["description"]) > 10, f"{model['name']}.{name}"
        assert re.match(r"One row per ", model["description"]), model["name"]


def test_every_mart_has_an_enforced_contract_and_a_key_test(manifest: dict[str, Any]) -> None:
    keys = {
        node["attached_node"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
        and (node.get("test_metadata") or {}).get("name")
        in ("unique", "unique_combination_of_columns")
    }
    marts = [model for model in _models(manifest) if model["schema"] == "marts"]
    assert len(marts) >= 12
    for mart in marts:
        assert mart["config"]["contract"]["enforced"], mart["name"]
        assert all(column["data_type"] for column in mart["columns"].values()), mart["name"]
        assert mart["unique_id"] in keys, mart["name"]


def test_the_data_dictionary_is_what_the_models_say(manifest: dict[str, Any]) -> None:
    """Both are made by `make dictionary`."""
    assert dictionary.DICTIONARY.read_text() == dictionary.dictionary(manifest)
    written = dictionary.OVERVIEW.read_text()
    assert written == dictionary.overview(manifest, written)


def test_every_mart_has_an_example_that_runs(
    manifest: dict[str, Any], simulated_warehouse: Warehouse
) -> None:
    for mart in _models(manifest):
        if mart["schema"] == "marts":
            example = mart["config"]["meta"]["example"]
            assert f"marts.{mart['name']}" in example
            rows = simulated_warehouse.query(example)
            # Runs have landed, and of one export each row counts.
            if mart["fqn"][-2] == "runs" and mart["name"] != "run_history_sources":
                assert rows, mart["name"]


def test_readme_lists_every_mart(manifest: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text()
    listed = readme[readme.index("## The marts") :].split("\n## ")[0]
    marts = {model["name"] for model in _models(manifest) if model["schema"] == "marts"}
    assert marts == {name for line in listed.splitlines() if line.startswith("| `")
                     for name in re.findall(r"`(\w+)`", line.split("|")[1])}  # fmt: skip


def test_comments_reach_the_database_in_all_schemas(
    manifest: dict[str, Any], simulated_warehouse: Warehouse
) -> None:
    lacking = simulated_warehouse.query(
        "select schema_name, table_name, column_name from duckdb_columns() "
        "where schema_name in ('base', 'staging', 'intermediate', 'marts') and comment is null"
    )
    assert lacking == []


def test_layers_reference_only_what_they_may(manifest: dict[str, Any]) -> None:
    """The rules of the README of each layer's folder."""
    allowed = {
        "base": {"source", "base"},
        "staging": {"base"},
        "intermediate": {"staging", "intermediate", "seeds"},
        "marts": {"intermediate", "staging", "seeds"},
    }
    layers = {
        unique_id: node["schema"] for unique_id, node in manifest["nodes"].items()
    } | dict.fromkeys(manifest["sources"], "source")
    # Not data of a source, but the list of what has landed: what is incremental by file needs it.
    files = "model.datadecide.base_landing__files"
    for model in _models(manifest):
        for parent in model["depends_on"]["nodes"]:
            if parent == files and model["config"]["materialized"] == "incremental":
                continue
            assert layers[parent] in allowed[model["schema"]], f"{model['name']} reads {parent}"


def test_every_mart_has_a_consumer(manifest: dict[str, Any]) -> None:
    used = {
        name
        for exposure in manifest["exposures"].values()
        for name in exposure["depends_on"]["nodes"]
    }
    marts = {model["unique_id"] for model in _models(manifest) if model["schema"] == "marts"}
    assert marts <= used


def test_every_kind_of_issue_is_found_by_a_unit_test_and_warned_of() -> None:
    """A kind without one would be a promise that nobody has seen kept."""
    kinds = {
        row["kind"] for row in csv.DictReader((ROOT / "seeds" / "data_issue_kinds.csv").open())
    }
    folder = ROOT / "models" / "intermediate" / "issues"
    tests = yaml.safe_load((folder / "_issues__unit_tests.yml").read_text())["unit_tests"]
    assert kinds == {row["kind"] for test in tests for row in test["expect"]["rows"]}
    (mart, _) = yaml.safe_load(
        (ROOT / "models" / "marts" / "quality" / "_quality__models.yml").read_text()
    )["models"]
    warned = {
        test["has_no_issues"]["arguments"]["kind"]
        for test in mart["data_tests"]
        if "has_no_issues" in test
    }
    assert kinds == warned


def test_analysis_is_pinned_to_what_everything_else_is() -> None:
    pins = {
        name: set(re.findall(r"^([\w.-]+==\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-analysis.lock")
    }
    assert pins["requirements.lock"] <= pins["requirements-analysis.lock"]
    more = pins["requirements-analysis.lock"] - pins["requirements.lock"]
    assert {"pandas", "polars", "pyarrow"} <= {pin.partition("==")[0] for pin in more}


def test_nothing_names_a_package_index_or_a_home() -> None:
    """Lock files pin by hash and work with any index; nothing depends on one machine."""
    for path in ROOT.glob("*.lock"):
        text = path.read_text()
        assert not re.search(r"https?:|index-url|find-links", text), path.name
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in pin for pin in pins)
        assert text.count("--hash=sha256:") >= len(pins)
