"""The command line: `python -m extract COMMAND`, also installed as `datadecide`."""

from __future__ import annotations

import typer

from extract.huggingface.command import pretrain
from extract.instances.command import instances
from extract.posttrain.command import posttrain
from extract.simulator.command import demo
from extract.status import status
from extract.wandb.command import wandb, wandb_files

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local values would print secrets
    rich_markup_mode="markdown",
    help="Land raw data for the warehouse. `dbt build` turns what has landed into marts.",
)

for command in (wandb_files, wandb, pretrain, instances, posttrain, demo, status):
    app.command(name=command.__name__.replace("_", "-"))(command)
