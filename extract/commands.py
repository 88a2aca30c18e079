"""What the commands share: their common options, exit codes, and what they say at their end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from extract.errors import ExtractError, UsageError
from extract.summary import CallSummary

DEFAULT_RAW_DIR = Path("data/raw")
DEMO_RAW_DIR = Path("data/demo/raw")

RawDir = Annotated[
    Path,
    typer.Option(
        "--raw-dir",
        envvar="DATADECIDE_RAW_DIR",
        help="The landing zone.",
        show_default=str(DEFAULT_RAW_DIR),
    ),
]


KeepPersonal = Annotated[
    bool, typer.Option("--keep-personal", help="Land personal data in clear text.")
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


def end(summary: CallSummary) -> None:
    """Tell what was refused, then what landed."""
    for message in summary.messages:
        print(f"refused: {message}", file=sys.stderr)
    print(summary.as_json())
    if summary.refused:
        raise typer.Exit(1)
