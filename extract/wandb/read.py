"""The second step: each input is read by the reader of its format, into documents.

The format is told by the content, whatever the name says; the name decides only between kinds of
text. A reader knows its format and nothing of what the documents are, but for `.wandb` files: they
are read into records, because it takes all of a file to know the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from extract.errors import FileError, InputError
from extract.inputs import PARQUET_MAGIC, chunks, head, magic
from extract.wandb import delimited, json_text, offline, parquet
from extract.wandb.found import ExportInput, ending
from extract.wandb.log import MAGIC as WANDB_MAGIC

# Far enough for the mark of a tar archive, and for the header of a wide table.
HEAD_BYTES = 64 * 1024

_TABLE = "write the table as Parquet, CSV or JSON Lines and land that"
_UNPACK = "unpack it and land the folder"
_SHEET = "save its sheet as CSV and land that"
# What people have of runs in formats that are not read: the mark, where it stands, the way out.
_REFUSED = (
    (b"ustar", 257, "a tar archive", _UNPACK),
    (b"Rar!", 0, "a rar archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", _UNPACK),
    (b"PK\x03\x04", 0, "a zip archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0", 0, "an Excel workbook", _SHEET),
    (b"\x93NUMPY", 0, "a NumPy array", _TABLE),
    (b"ARROW1", 0, "an Arrow (Feather) file", _TABLE),
    (b"\xff\xff\xff\xff", 0, "an Arrow stream", _TABLE),
    (b"FEA1", 0, "a Feather file", _TABLE),
    (b"\x89HDF", 0, "an HDF5 file", _TABLE),
    (b"SQLite format 3", 0, "a SQLite database", _TABLE),
    (b"DUCK", 8, "a DuckDB database", _TABLE),
    (b"ORC", 0, "an ORC file", _TABLE),
    (b"Obj\x01", 0, "an Avro file", _TABLE),
    (b"RDX", 0, "an R data file", _TABLE),
    (b"\x80\x02", 0, "a pickle", _TABLE),
    (b"\x80\x03", 0, "a pickle", _TABLE),
    (b"\x80\x04", 0, "a pickle", _TABLE),
    (b"\x80\x05", 0, "a pickle", _TABLE),
    (b"%PDF", 0, "a PDF", _TABLE),
    (b"<", 0, "a web page or XML", "land the runs with `python -m extract wandb ENTITY/PROJECT`"),
)
# What a zip archive is by its name, and what has no mark.
_REFUSED_ENDINGS = {
    (".xlsx", ".xlsm", ".ods"): ("an Excel workbook", _SHEET),
    (".npz",): ("a NumPy archive", _TABLE),
    (".pkl", ".pickle", ".joblib"): ("a pickle", _TABLE),
    (".db",): ("a database", _TABLE),
    (".feather", ".arrow", ".ipc"): ("an Arrow (Feather) file", _TABLE),
    (".rds", ".rda", ".rdata"): ("an R data file", _TABLE),
    (".tar", ".tgz"): ("a tar archive", _UNPACK),
    (".zip",): ("a zip archive", _UNPACK),
}


def documents(
    export: ExportInput, scratch: Callable[[], AbstractContextManager[Path]]
) -> Iterator[tuple[int, Any] | InputError]:
    """(line, document or record) of each record; an ``InputError`` for one that is unreadable.

    Raises ``FileError`` when nothing of it can be read. ``scratch`` is for what must be unpacked.
    """
    path = export.paths[0]
    start = head(path, HEAD_BYTES)
    if magic(path) == WANDB_MAGIC or ending(path) == offline.SUFFIX:
        yield from offline.records(path, export.entity, export.project)
    elif start.startswith(PARQUET_MAGIC):
        if all(magic(one) == PARQUET_MAGIC for one in export.paths):
            yield from parquet.documents(export.paths)
            return
        with scratch() as folder:
            yield from parquet.documents([_unpacked(one, folder) for one in export.paths])
    else:
        _refuse_other_formats(path, start)
        yield from (delimited if _is_delimited(path, start) else json_text).documents(path)


def _unpacked(path: Path, folder: Path) -> Path:
    """A file that can be read at any place of it: Parquet that was compressed once more."""
    if magic(path) == PARQUET_MAGIC:
        return path
    unpacked = folder / path.name.rpartition(".")[0]
    with open(unpacked, "wb") as stream:
        for chunk in chunks(path):
            stream.write(chunk)
    return unpacked


def _refuse_other_formats(path: Path, start: bytes) -> None:
    marked = [(what, way) for mark, at, what, way in _REFUSED if start[at:].startswith(mark)]
    named = [told for endings, told in _REFUSED_ENDINGS.items() if ending(path) in endings]
    is_zip = start.startswith(b"PK\x03\x04")
    is_text = start.lstrip()[:1] in (b"{", b"[", b"")
    if is_zip and named:
        marked = named
    elif not is_text:
        marked += named
    for what, way in marked:
        raise FileError("other_format", f"is {what}, which is not read; {way}")


def _is_delimited(path: Path, start: bytes) -> bool:
    if start.lstrip().startswith((b"{", b"[")):
        return False
    return ending(path) in delimited.SUFFIXES or (
        b"\0" not in start and delimited.looks_like_export(start)
    )
