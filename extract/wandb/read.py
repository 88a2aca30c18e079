"""The second step: each input is read by the reader of its format, into documents.

A reader knows its format and nothing of what the documents are, but for `.wandb` files: they are
read into records, because it takes all of a file to know the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from extract.errors import InputError
from extract.inputs import PARQUET_MAGIC, magic
from extract.wandb import json_lines, offline, parquet
from extract.wandb.found import ExportInput
from extract.wandb.log import MAGIC as WANDB_MAGIC


def documents(export: ExportInput) -> Iterator[tuple[int, Any] | InputError]:
    """(line, document or record) of each record; an ``InputError`` for one that is unreadable."""
    path = export.paths[0]
    start = magic(path)
    if start == PARQUET_MAGIC:
        yield from parquet.documents(export.paths)
    elif start == WANDB_MAGIC or path.suffix == offline.SUFFIX:
        yield from offline.records(path, export.entity, export.project)
    else:
        yield from json_lines.documents(path)
