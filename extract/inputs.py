"""Reading input files: what compression they have, and their lines one by one in bounded memory."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

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
XZ_MAGIC = b"\xfd7zXZ\x00"
BZIP2_MAGIC = b"BZh"
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


def head(path: Path, n_bytes: int) -> bytes:
    """The first bytes of what a file holds, decompressed; fewer when it is cut or broken."""
    found = b""
    try:
        for chunk in chunks(path):
            found += chunk
            if len(found) >= n_bytes:
                break
    except InputError:
        pass  # it is told when the file is read
    return found[:n_bytes]


def lines(path: Path) -> Iterator[Line]:
    """The non-blank lines of a file, plain or compressed.

    Raises ``InputError`` after the last whole line when the compressed stream is cut or broken,
    and when a line is longer than ``MAX_LINE_BYTES``.
    """
    pending: list[bytes] = []
    pending_bytes = number = 0
    for chunk in chunks(path):
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


class _Decompressor(Protocol):
    """What the decompressors of all formats have in common."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, /) -> bytes: ...


def chunks(path: Path) -> Iterator[bytes]:
    """What a file holds, decompressed, in pieces of bounded size; without a byte order mark.

    Raises ``InputError`` when the compressed stream is cut or broken.
    """
    with open(path, "rb") as stream:
        start = stream.read(len(XZ_MAGIC))
        stream.seek(0)
        pieces: Iterator[bytes]
        if start.startswith(GZIP_MAGIC):
            pieces = _decompressed(stream, "gzip", _new_gzip, (zlib.error,))
        elif start.startswith(ZSTD_MAGIC):
            pieces = _decompressed(stream, "zstd", _new_zstd, (zstandard.ZstdError,))
        elif start.startswith(XZ_MAGIC):
            pieces = _decompressed(stream, "xz", lzma.LZMADecompressor, (lzma.LZMAError,))
        elif start.startswith(BZIP2_MAGIC):
            pieces = _decompressed(stream, "bzip2", bz2.BZ2Decompressor, (OSError, ValueError))
        else:
            pieces = iter(lambda: stream.read(CHUNK_BYTES), b"")
        first = True
        for chunk in pieces:
            if first and chunk:
                chunk = chunk.removeprefix(UTF8_BOM)
                first = False
            yield chunk


def _new_gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


def _new_zstd() -> _Decompressor:
    return zstandard.ZstdDecompressor().decompressobj()


def _decompressed(
    stream: BinaryIO,
    name: str,
    new: Callable[[], _Decompressor],
    errors: tuple[type[Exception], ...],
) -> Iterator[bytes]:
    """The content of one or several concatenated compressed members."""
    member = new()
    started = False
    while data := stream.read(COMPRESSED_CHUNK_BYTES):
        while data:
            if not (started or data.strip(b"\0")):
                break  # padding behind the last member, as tar and xz write it
            started = True
            try:
                # bzip2 and xz expand up to ten-thousandfold: they are asked for pieces.
                if isinstance(member, bz2.BZ2Decompressor | lzma.LZMADecompressor):
                    yield member.decompress(data, CHUNK_BYTES)
                    while not (member.needs_input or member.eof):
                        yield member.decompress(b"", CHUNK_BYTES)
                else:
                    yield member.decompress(data)
            except errors as problem:
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
