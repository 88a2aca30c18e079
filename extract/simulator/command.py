"""The command `demo`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from extract.commands import DEMO_RAW_DIR, exit_codes
from extract.landing.zone import LandingZone


def demo(
    raw_dir: Annotated[
        Path,
        typer.Option("--raw-dir", help="The demo's own zone; demo and real data never mix."),
    ] = DEMO_RAW_DIR,
    runs: Annotated[int, typer.Option(help="How many runs to simulate.", min=1)] = 320,
    evals_every: Annotated[
        int,
        typer.Option(
            help="Simulate evaluations of every so many checkpoints; perplexities are of all.",
            min=1,
        ),
    ] = 12,
) -> None:
    """Land small simulated sources in the public formats: no network, no account.

    Example:

        python -m extract demo
    """
    from extract.simulator import (
        demo as demo_module,  # the simulator is not needed by other commands
    )

    with exit_codes():
        zone = LandingZone(raw_dir)
        print(json.dumps(demo_module.land(zone, n_runs=runs, evals_every=evals_every)))
