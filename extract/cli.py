"""The command line: `python -m extract COMMAND`, also installed as `datadecide`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from extract import status as status_module
from extract import wandb_files as wandb_files_module
from extract.errors import ExtractError, UsageError
from extract.landing import LandingZone
from extract.privacy import Pseudonymiser

DEFAULT_RAW_DIR = Path("data/raw")
DEMO_RAW_DIR = Path("data/demo/raw")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local values would print secrets
    rich_markup_mode="markdown",
    help="Land raw data for the warehouse. `dbt build` turns what has landed into marts.",
)

RawDir = Annotated[
    Path,
    typer.Option(
        "--raw-dir",
        envvar="DATADECIDE_RAW_DIR",
        help="The landing zone.",
        show_default=str(DEFAULT_RAW_DIR),
    ),
]


@contextmanager
def exit_codes() -> Iterator[None]:
    """Errors of ours become one line on stderr: 2 for wrong usage, 1 for anything else."""
    try:
        yield
    except ExtractError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
    except OSError as error:
        print(
            f"error: {error}. Nothing is half landed; mend the cause and call again.",
            file=sys.stderr,
        )
        raise typer.Exit(1) from None


@app.command(name="wandb-files")
def wandb_files(
    paths: Annotated[list[Path], typer.Argument(help="Export files, or folders of them.")],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    entity: Annotated[
        str | None, typer.Option(help="Entity of records that do not name theirs.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="Project of records that do not name theirs.")
    ] = None,
    keep_personal: Annotated[
        bool, typer.Option("--keep-personal", help="Land personal data in clear text.")
    ] = False,
) -> None:
    """Land existing W&B exports: runs and history, plain, `.gz` or `.zst`.

    Recognised by content, one JSON document a line:

    * flat run records (config, summary, ... as objects or as JSON text)

    * `{"run": {...}, "exported_at": ...}` snapshots and raw extracts (`raw_run`)

    * history rows, one a line, one array a line, or one run a line with its list

    * Parquet component files of dr_wandb 0.1 and 0.2

    An input that has landed before is not landed again. Personal data is replaced by a keyed
    hash; set DATADECIDE_PSEUDONYM_KEY first.

    Examples:

        python -m extract wandb-files exports/ft-scaling/

        python -m extract wandb-files runs.jsonl.gz history.jsonl.gz --raw-dir /data/raw
    """
    with exit_codes():
        pseudonymiser = Pseudonymiser.from_environment(keep_personal=keep_personal)
        with _progress() as report:
            summary = wandb_files_module.land(
                LandingZone(raw_dir),
                paths,
                pseudonymiser,
                entity=entity,
                project=project,
                report=report,
            )
    for message in summary.messages:
        print(f"refused: {message}", file=sys.stderr)
    if untold := summary.refused - len(summary.messages):
        print(f"refused: {untold} more; see staging.stg_wandb__outcomes", file=sys.stderr)
    print(summary.as_json())
    if summary.refused:
        raise typer.Exit(1)


@app.command()
def demo(
    raw_dir: Annotated[
        Path,
        typer.Option("--raw-dir", help="The demo's own zone; demo and real data never mix."),
    ] = DEMO_RAW_DIR,
    runs: Annotated[int, typer.Option(help="How many runs to simulate.", min=1)] = 320,
) -> None:
    """Land small simulated sources in the public formats: no network, no account.

    Example:

        python -m extract demo
    """
    from extract import demo as demo_module  # the simulator is not needed by other commands

    with exit_codes():
        print(json.dumps(demo_module.land(LandingZone(raw_dir), n_runs=runs)))


@app.command()
def status(raw_dir: RawDir = DEFAULT_RAW_DIR) -> None:
    """Show what has landed: source, batches, files, rows, bytes, newest, errors.

    Example:

        python -m extract status
    """
    with exit_codes():
        zone = LandingZone(raw_dir)
        summary = status_module.summarise(zone)
        status_module.print_table(zone, summary, sys.stderr)
        print(json.dumps({"command": "status", "raw_dir": os.fspath(raw_dir), "sources": summary}))


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A line on stderr that moves, where stderr is a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking for exports")

        def report(name: str, records: int) -> None:
            progress.update(task, description=f"landing {name}: {records:,} records")

        yield report
