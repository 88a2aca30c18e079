"""The command `pretrain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from extract.commands import DEFAULT_RAW_DIR, RawDir, end, exit_codes
from extract.landing.zone import LandingZone

# The pretraining results are about 0.7 GB; more is another revision, or a mistake.
MAX_GB = 2.0


def pretrain(
    raw_dir: RawDir = DEFAULT_RAW_DIR,
    source: Annotated[
        list[Path] | None,
        typer.Option(
            help="Land files from this folder instead of the hub (repeatable).", metavar="DIR"
        ),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Only ppl-results or eval-results (repeatable).", metavar="NAME"),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Only train, macro_avg or scaling_law_fit (repeatable).", metavar="NAME"),
    ] = None,
    revision: Annotated[
        list[str] | None,
        typer.Option(
            help="Another commit, branch or tag than the pinned commits (repeatable).",
            metavar="[DATASET=]REVISION",
        ),
    ] = None,
    max_gb: Annotated[
        float, typer.Option("--max-gb", help="Refuse to download more than this.", min=0)
    ] = MAX_GB,
) -> None:
    """Land the published pretraining results from the Hugging Face hub, about 0.7 GB.

    Perplexities (allenai/DataDecide-ppl-results) and downstream evaluations
    (allenai/DataDecide-eval-results), each at a pinned commit. What has landed is not asked for
    again. Honours HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and the other variables of the hub's
    client, which uses plain HTTP here unless HF_HUB_DISABLE_XET=0.

    With `--source`, files on disk in any layout are recognised by their columns.

    Examples:

        python -m extract pretrain

        python -m extract pretrain --split train --split macro_avg

        python -m extract pretrain --revision eval-results=main --max-gb 5

        python -m extract pretrain --source ~/downloads/datadecide
    """
    from extract.huggingface import pretrain as pretrain_module  # DuckDB, and soon the hub's client

    with exit_codes():
        request = pretrain_module.Request.of(dataset or (), split or (), revision or ())
        zone = LandingZone(raw_dir)
        if source:
            summary = pretrain_module.land_source(zone, source, request)
        else:
            summary = pretrain_module.land(
                zone, request, max_gb=max_gb, tell=lambda text: print(text, file=sys.stderr)
            )
    end(summary)
