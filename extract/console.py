"""What a person sees on stderr while a command runs, and at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)


@contextmanager
def landing_progress() -> Iterator[Callable[[str, int], None]]:
    """A line that moves, where stderr is a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking for exports")

        def report(name: str, records: int) -> None:
            progress.update(task, description=f"landing {name}: {records:,} records")

        yield report
