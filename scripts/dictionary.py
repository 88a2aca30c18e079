"""What dbt knows of the marts, for whoever reads without building, and for the docs' home page.

`make dictionary` writes `models/marts/dictionary.md`, and `models/overview.md` between two marks; a
test holds both to the models.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any

from extract.landing.current import current
from extract.warehouse import ROOT

DICTIONARY = ROOT / "models" / "marts" / "dictionary.md"
OVERVIEW = ROOT / "models" / "overview.md"
BEGIN, END = "<!-- made by `make dictionary` -->\n", "<!-- end of what is made -->\n"
# In the order in which people ask for them.
TOPICS = {
    "runs": "Runs: what was fine-tuned, and how it went",
    "matching": "Matching: runs beside their pretraining",
    "pretraining": "Pretraining: checkpoints and their evaluations",
    "instances": "Instances: every question and choice of the published evaluations",
    "posttrain": "Trained models: OLMES results of any model",
    "quality": "Quality: what is odd or missing in the landed data",
    "dimensions": "Dimensions: the names that all marts share",
}
INTRODUCTION = """\
# The marts: a data dictionary

Made from the models by `make dictionary`; change the YAML beside a model, not this file. Each mart
has its grain, its key, an example and its columns with type, meaning, unit and source. All are in
the schema `marts` of the warehouse that `make build` makes.
"""

Node = dict[str, Any]


def dictionary(manifest: Node) -> str:
    """All marts with their columns, as Markdown."""
    topics, keys = _topics(manifest), dict(_keys(manifest))
    parts = [INTRODUCTION, _contents(topics, "[`{0}`](#{0})"), "## Joins", _joins(topics, keys)]
    for topic, marts in topics.items():
        parts.append(f"## {TOPICS[topic]}")
        parts.extend(_section(mart, keys[mart["unique_id"]]) for mart in marts)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def overview(manifest: Node, written: str) -> str:
    """The home page as it is written, with the marts and their joins as they are now."""
    topics = _topics(manifest)
    before, _, rest = written.partition(BEGIN)
    after = rest.partition(END)[2]
    made = [_contents(topics, "`marts.{0}`"), "### Joins", _joins(topics, dict(_keys(manifest)))]
    return before + BEGIN + "\n" + "\n\n".join(made) + "\n\n" + END + after


def _topics(manifest: Node) -> dict[str, list[Node]]:
    """The marts by their folder, of a folder the plainest name first."""
    marts = [
        node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"].endswith("marts")
    ]
    order = list(TOPICS)
    marts.sort(key=lambda mart: (order.index(mart["fqn"][-2]), len(mart["name"]), mart["name"]))
    return {topic: list(of_it) for topic, of_it in groupby(marts, lambda mart: mart["fqn"][-2])}


def _keys(manifest: Node) -> Iterator[tuple[str, list[str]]]:
    """The key of each mart: what a test holds to be unique; of several the first of its columns."""
    found: dict[str, list[list[str]]] = {}
    for node in manifest["nodes"].values():
        test = node.get("test_metadata") or {}
        if test.get("name") in ("unique", "unique_combination_of_columns"):
            arguments = test["kwargs"]
            key = arguments.get("combination_of_columns") or [arguments["column_name"]]
            found.setdefault(node["attached_node"], []).append(key)
    for name, keys in found.items():
        columns = list(manifest["nodes"][name]["columns"])
        yield name, min(keys, key=lambda key: columns.index(key[0]))


def _contents(topics: dict[str, list[Node]], link: str) -> str:
    lines = ["| mart | |", "|---|---|"]
    for mart in chain.from_iterable(topics.values()):
        grain = _line(mart["description"]).split(". ")[0].rstrip(".")
        lines.append(f"| {link.format(mart['name'])} | {grain} |")
    return "\n".join(lines)


def _joins(topics: dict[str, list[Node]], keys: dict[str, list[str]]) -> str:
    """Marts with the key of another, but not of a dimension: `seed` has several meanings."""
    lines = ["| on | join |", "|---|---|"]
    marts = [mart for topic, of_it in topics.items() if topic != "dimensions" for mart in of_it]
    for key in dict.fromkeys(tuple(keys[mart["unique_id"]]) for mart in marts):
        joined = [f"`{mart['name']}`" for mart in marts if set(key) <= set(mart["columns"])]
        if len(joined) > 1:
            lines.append(f"| {', '.join(f'`{column}`' for column in key)} | {', '.join(joined)} |")
    return "\n".join(lines)


def _section(mart: Node, key: list[str]) -> str:
    example = mart["config"]["meta"]["example"]
    lines = [
        f"### {mart['name']}",
        "",
        mart["description"].strip(),
        "",
        f"Key: {', '.join(f'`{column}`' for column in key)}",
        "",
        f"```sql\n{example}\n```",
        "",
        "| column | type | |",
        "|---|---|---|",
        *(
            f"| `{column['name']}` | {column['data_type']} | {_line(column['description'])} |"
            for column in mart["columns"].values()
        ),
    ]
    return "\n".join(lines)


def _line(description: str) -> str:
    """A description as one cell of a table."""
    return " ".join(description.split()).replace("|", "\\|")


def main() -> int:
    target = current()
    code = target.run_dbt("--quiet", "parse")
    if not code:
        manifest = json.loads((target.target / "manifest.json").read_text())
        DICTIONARY.write_text(dictionary(manifest))
        OVERVIEW.write_text(overview(manifest, OVERVIEW.read_text()))
    return code


if __name__ == "__main__":
    sys.exit(main())
