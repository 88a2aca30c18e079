"""How far a build is, and what its failed tests have found."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

LAYERS = ("seeds", "base", "staging", "intermediate", "marts")
TESTS = "tests"
FAILED = {"error": "failed", "fail": "failed", "skipped": "skipped", "warn": "warned"}
ROWS_SHOWN = 5


def totals(manifest: Any) -> Counter[str]:
    """How many seeds, models of each layer and tests a build of the whole project has."""
    counts: Counter[str] = Counter()
    for node in manifest.nodes.values():
        if node.resource_type == "test":
            counts[TESTS] += 1
        elif node.config.materialized != "ephemeral":
            counts[node.schema] += 1
    counts[TESTS] += len(manifest.unit_tests)
    return counts


class Layer:
    """What has been done of one layer; models of it are built two at a time."""

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.seconds = 0.0  # of its models, one after the other
        self.ends: Counter[str] = Counter()

    def note(self) -> str:
        """How long it took, and what did not end well."""
        ends = "".join(f", {n} {end}" for end, n in sorted(self.ends.items()))
        return f"({self.seconds:.1f} s{ends})"


@contextmanager
def reported(counts: Counter[str], console: Console) -> Iterator[Callable[[Any], None]]:
    """A callback for dbt's events. A terminal shows how far each layer is; elsewhere there is a
    line for each when it is done.
    """
    layers = {name: Layer(name, counts[name]) for name in (*LAYERS, TESTS) if counts[name]}
    columns = (
        SpinnerColumn(finished_text=" "), TextColumn("{task.description:13}"),
        MofNCompleteColumn(" of "), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    lock = threading.Lock()  # dbt's threads report
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {
            name: progress.add_task(name, total=layer.total, note="")
            for name, layer in layers.items()
        }

        def tell(layer: Layer) -> None:
            progress.update(tasks[layer.name], completed=layer.done, note=layer.note())
            if not console.is_terminal and layer.done == layer.total:
                line = f"{layer.name:13} {layer.done} of {layer.total} {layer.note()}"
                print(line, file=console.file, flush=True)

        def report(event: Any) -> None:
            if event.info.name != "NodeFinished":
                return
            node, result = event.data.node_info, event.data.run_result
            is_test = node.resource_type in ("test", "unit_test")
            layer = layers.get(TESTS if is_test else node.node_relation.schema)
            if layer is None:
                return
            with lock:
                layer.done += 1
                layer.seconds += result.execution_time
                if end := FAILED.get(result.status):
                    layer.ends[end] += 1
                tell(layer)

        yield report


def print_failures(results: Any, database: Path, root: Path) -> None:
    """Of each failed data test up to five rows, and where its SQL is."""
    failed = [one for one in results if one.node.resource_type == "test" and one.status == "fail"]
    if not failed:
        return
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        for one in failed:
            path = Path(one.node.compiled_path)
            print(f"\n{one.node.name}: {one.message}")
            try:
                print(con.sql(f"from (\n{path.read_text()}\n) limit {ROWS_SHOWN}"), end="")
            except duckdb.Error as error:  # it failed as it ran under dbt, which has more variables
                print(f"its rows cannot be shown: {error}")
            shown = path.relative_to(root) if path.is_relative_to(root) else path
            print(f"its SQL: {shown}")
