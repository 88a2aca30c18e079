"""The command `posttrain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from extract import console
from extract.commands import DEFAULT_RAW_DIR, KeepPersonal, RawDir, exit_codes
from extract.landing.privacy import Pseudonymiser
from extract.landing.zone import LandingZone


def posttrain(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders with results somewhere below.", metavar="DIR...")
    ],
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    keep_personal: KeepPersonal = False,
) -> None:
    """Land OLMES results of trained models: metrics-all.jsonl and the files of each task.

    A folder with `metrics-all.jsonl`, `*-metrics.json` or `*-predictions.jsonl` is one results
    directory, and lands as a whole. One that has landed is not landed again, unless its results
    have changed since, as when a judge has rewritten metrics. Equal predictions land once,
    wherever they are found. Links to folders are followed.

    Personal data is replaced by a keyed hash; set DATADECIDE_PSEUDONYM_KEY first. The text of
    benchmarks and of models in predictions is left as it is.

    Examples:

        python -m extract posttrain 2025-06-01_posttrain

        python -m extract posttrain ~/dumps/2025-03-02_posttrain ~/dumps/2025-06-01_posttrain
    """
    from extract.posttrain import pipeline as posttrain_module  # DuckDB

    with exit_codes():
        pseudonymiser = Pseudonymiser.from_environment(keep_personal=keep_personal)
        with console.landing_progress() as report:
            summary = posttrain_module.land(
                LandingZone(raw_dir), folders, pseudonymiser, report=report
            )
    for message in summary.messages:
        print(f"refused: {message}", file=sys.stderr)
    if untold := summary.refused - len(summary.messages):
        print(f"refused: {untold} more; see staging.stg_posttrain__outcomes", file=sys.stderr)
    print(summary.as_json())
    if summary.refused:
        raise typer.Exit(1)
