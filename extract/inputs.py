"""Reading input files: what compression they have, and their lines one by one in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard

from extract.errors import InputError

# The longest line that is read. W&B records of 100 MB exist (a long history as one array); twice
# that leaves room, and a file without line ends is refused before it fills the memory.
MAX_LINE_BYTES = 256 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
# Compressed input is read in small pieces: gzip can expand one a thousandfold, and a decompressor
# gives nothing of the piece in which it finds damage.
COMPRESSED_CHUNK_BYTES = 4 * 1024

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
PARQUET_MAGIC = b"PAR1"
UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Line:
    """One line of an input; ``number`` counts from 1, ``is_last`` says that no newline follows."""

    number: int
    content: bytes
    is_last: bool


def magic(path: Path) -> bytes:
    """The first four bytes of a file, which tell its format whatever its name says."""
    with open(path, "rb") as stream:
        return stream.read(4)


def lines(path: Path) -> Iterator[Line]:
    """The non-blank lines of a plain, gzip or zstd file.

    Raises ``InputError`` after the last whole line when the compressed stream is cut or broken,
    and when a line is longer than ``MAX_LINE_BYTES``.
    """
    pending: list[bytes] = []
    pending_bytes = number = 0
    for chunk in _chunks(path):
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            pending.append(chunk[start:end])
            start = end + 1
            number += 1
            content = b"".join(pending)
            pending, pending_bytes = [], 0
            if content.strip():
                yield Line(number, content, is_last=False)
        if start < len(chunk):
            pending.append(chunk[start:])
            pending_bytes += len(chunk) - start
            if pending_bytes > MAX_LINE_BYTES:
                raise InputError(
                    "line_too_long",
                    f"is longer than {MAX_LINE_BYTES // 2**20} MiB; expected one JSON record per "
                    "line (convert a large array with: jq -c '.[]' FILE)",
                    line=number + 1,
                )
    content = b"".join(pending)
    if content.strip():
        yield Line(number + 1, content, is_last=True)


def _chunks(path: Path) -> Iterator[bytes]:
    start = magic(path)
    with open(path, "rb") as stream:
        if start.startswith(GZIP_MAGIC):
            chunks = _decompressed(stream, "gzip", _new_gzip, zlib.error)
        elif start == ZSTD_MAGIC:
            chunks = _decompressed(stream, "zstd", _new_zstd, zstandard.ZstdError)
        else:
            chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
        first = True
        for chunk in chunks:
            if first and chunk:
                chunk = chunk.removeprefix(UTF8_BOM)
                first = False
            yield chunk


def _new_gzip() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _new_zstd() -> zstandard.ZstdDecompressionObj:
    return zstandard.ZstdDecompressor().decompressobj()


def _decompressed(
    stream: BinaryIO,
    name: str,
    new: Callable[[], zlib._Decompress | zstandard.ZstdDecompressionObj],
    error: type[Exception],
) -> Iterator[bytes]:
    """The content of one or several concatenated compressed members."""
    member = new()
    started = False
    while data := stream.read(COMPRESSED_CHUNK_BYTES):
        while data:
            started = True
            try:
                yield member.decompress(data)
            except error as problem:
                raise InputError(
                    "broken_compression",
                    f"is not valid {name} ({problem}); what came before has landed, export or "
                    "copy the file again",
                ) from problem
            data = b""
            if member.eof:
                data = member.unused_data
                member, started = new(), False
    if started:
        raise InputError(
            "truncated_compression",
            f"ends in the middle of its {name} stream; the whole lines before the cut have "
            "landed, export or copy the file again",
        )
