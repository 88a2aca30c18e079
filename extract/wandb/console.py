"""What a person sees on stderr while `wandb` runs, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from extract.wandb.summary import Status, Summary


@contextmanager
def fetch_progress() -> Iterator[Callable[[Status], None]]:
    """A bar of runs, with rows, their rate and what is waited for."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20),
        MofNCompleteColumn(), TextColumn("runs, {task.fields[rows]:,} rows"),
        TextColumn("({task.fields[rate]:,.0f}/s)"), TimeElapsedColumn(),
        TextColumn("{task.fields[waiting_for]}", style="dim"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, int] = {}

        def report(status: Status) -> None:
            name = status.project
            if name not in tasks:
                tasks[name] = progress.add_task(name, rows=0, rate=0.0, waiting_for="the listing")
            task = next(one for one in progress.tasks if one.id == tasks[name])
            progress.update(
                task.id,
                total=status.total,
                completed=status.done,
                rows=status.rows,
                rate=status.rows / task.elapsed if task.elapsed else 0.0,
                waiting_for=status.waiting_for,
            )

        yield report


def print_summary(summary: Summary) -> None:
    """What a call of `wandb` did, one line per project."""
    counts = {
        "listed": "runs", "new": "new", "changed": "changed", "unchanged": "same",
        "histories": "read", "history_rows": "rows", "deleted": "gone", "refused": "refused",
    }  # fmt: skip
    table = Table("project", *counts.values(), box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for project in summary.projects:
        values = [f"{getattr(project, name):,}" for name in counts]
        table.add_row(project.project, *values)
    console = Console(stderr=True)
    console.print(table)
    if summary.quarantined:
        runs = ", ".join(summary.quarantined)
        console.print(f"left for the next call: {runs}", soft_wrap=True, markup=False)
    what = "would fetch this; nothing has landed" if summary.dry_run else "landed"
    console.print(f"{what} in {summary.seconds:.1f} s", markup=False)
