"""The command `instances`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from extract import console
from extract.commands import DEFAULT_RAW_DIR, RawDir, end, exit_codes
from extract.errors import UsageError
from extract.landing.zone import LandingZone


def instances(
    recipes: Annotated[
        list[str],
        typer.Argument(
            help="Data recipes, by tar name (c4) or name (C4); or `all` of the 25.",
            metavar="RECIPE...",
        ),
    ],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            help="Land tarballs or unpacked trees from this folder instead of the hub "
            "(repeatable).",
            metavar="DIR",
        ),
    ] = None,
    params: Annotated[
        list[str] | None, typer.Option(help="Only models of this size, as 150M (repeatable).")
    ] = None,
    seed: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this seed: 2 (default), 14, 15, 4 or 5, or its label (repeatable)."
        ),
    ] = None,
    step: Annotated[
        list[int] | None, typer.Option(help="Only this checkpoint (repeatable).", min=0)
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task, or `mmlu` for its 57 subjects (repeatable)."),
    ] = None,
    keep_tarballs: Annotated[
        bool, typer.Option("--keep-tarballs", help="Keep downloads once they have landed.")
    ] = False,
) -> None:
    """Land question-level results (allenai/DataDecide-eval-instances), converted to Parquet.

    A recipe is a tarball of 4.4 to 5.3 GB with about 540 checkpoints of 66 tasks. It is read once
    from front to back, each checkpoint converted as a whole (to about 2 MB) and landed on its
    own: a call that was killed goes on with the next one. Beside the tarball, which goes when it
    has landed, that needs room for three unpacked checkpoints, 0.2 GB. Recipes may be landed at
    once by several calls, also on several machines.

    A checkpoint that is damaged or not whole is refused with its reason; the others land.

    With `--source`, tarballs (`c4.tar.gz`) and trees (`c4/150M/seed-2/step-1250.tar.gz`, or the
    folder `step-1250`) are found wherever below the folder they are.

    Examples:

        python -m extract instances c4

        python -m extract instances "Dolma1.7 (no code)" dclm-baseline --params 150M --seed 2

        python -m extract instances all --source ~/downloads/eval-instances --task mmlu
    """
    from extract.instances import pipeline as instances_module  # DuckDB, and soon the hub's client

    with exit_codes():
        if source and keep_tarballs:
            raise UsageError(
                "--keep-tarballs is about downloads, and --source downloads nothing; leave one out"
            )
        request = instances_module.Request.of(
            recipes, params or (), seed or (), step or (), task or ()
        )
        zone = LandingZone(raw_dir)
        with console.landing_progress() as report:
            if source:
                summary = instances_module.land_source(zone, source, request, report=report)
            else:
                summary = instances_module.land(
                    zone, request, keep_tarballs=keep_tarballs, report=report,
                    tell=lambda text: print(text, file=sys.stderr),
                )  # fmt: skip
    end(summary)
