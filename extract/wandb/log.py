"""The log that a `.wandb` file is: LevelDB's format, with a header of W&B's own.

After the header come blocks of 32 KiB, counted from the start of the file, that hold chunks, each
with a checksum; what is too short for a chunk's header at the end of a block is padding. One chunk,
or several in a row, make a record. The reader that the client had went with its 0.31. As W&B's own
does, this one goes on behind damage with the next block, and takes zeros for room that was never
written to.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from extract.errors import InputError

MAGIC = b":W&B"
# The rest of the header: crc32(b"Weights & Biases") & 0xffff, and the version. Version 0 is what
# every client up to 0.31 writes; W&B raises it when older readers would misread the file.
MAGIC_NUMBER = 0xBEE1
VERSION = 0
BLOCK_BYTES = 32 * 1024
# Metrics are a few hundred bytes a record, a config of 500 keys 50 KB. A record that never ends is
# given up before it fills the memory.
MAX_RECORD_BYTES = 256 * 1024 * 1024

_FILE_HEADER = struct.Struct("<4sHB")
_CHUNK_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def payloads(path: Path) -> Iterator[bytes | InputError]:
    """The records of a log, in bounded memory; an ``InputError`` stands for what is damaged."""
    with open(path, "rb") as stream:
        if problem := _header_problem(stream.read(_FILE_HEADER.size)):
            yield problem
            return
        stream.seek(0)
        yield from _joined(_chunks(stream))


def _header_problem(header: bytes) -> InputError | None:
    if not header:
        return InputError("empty", "is empty: the run wrote nothing before it ended")
    if len(header) < _FILE_HEADER.size and MAGIC.startswith(header[:4]):
        return _truncated(0)
    magic, number, version = _FILE_HEADER.unpack(header.ljust(_FILE_HEADER.size, b"\0"))
    if (magic, number) != (MAGIC, MAGIC_NUMBER):
        return InputError(
            "not_wandb",
            f"is no W&B run file: it begins with {header[:4]!r} instead of {MAGIC!r}; check where "
            "it comes from",
        )
    if version != VERSION:
        return InputError(
            "future_wandb",
            f"has version {version} of the format, and only {VERSION} is known; sync it with the "
            "client that wrote it (wandb sync) and land the run from the server",
        )
    return None


@dataclass(frozen=True)
class _Chunk:
    offset: int
    kind: int
    data: bytes


def _chunks(stream: BinaryIO) -> Iterator[_Chunk | InputError]:
    """The chunks of all blocks; after damage those of the next block."""
    offset, zeros = 0, None
    start = _FILE_HEADER.size
    while block := stream.read(BLOCK_BYTES):
        for chunk in _chunks_of_block(block, offset, start):
            if zeros is not None and chunk is not None:
                # Zeros at the end are room that was never written to; here they were records.
                yield _broken(zeros, "it holds zeros, and records follow")
                zeros = None
            if chunk is not None:
                yield chunk
            elif zeros is None:
                zeros = offset
        offset, start = offset + len(block), 0


def _chunks_of_block(
    block: bytes, offset: int, position: int
) -> Iterator[_Chunk | InputError | None]:
    """The chunks of one block from a position on; None if what follows is nothing but zeros."""
    while BLOCK_BYTES - position >= _CHUNK_HEADER.size:  # what is shorter is padding
        if position == len(block):
            return
        here = offset + position
        if len(block) - position < _CHUNK_HEADER.size:
            yield _truncated(here)
            return
        checksum, length, kind = _CHUNK_HEADER.unpack_from(block, position)
        start = position + _CHUNK_HEADER.size
        end = start + length
        if (checksum, length, kind) == (0, 0, 0) and not any(block[position:]):
            yield None
            return
        if len(block) < end <= BLOCK_BYTES:
            yield _truncated(here)
            return
        if end > BLOCK_BYTES:
            yield _broken(here, "its length does not fit into the block")
            return
        if zlib.crc32(block[start - 1 : end]) != checksum:  # of the kind and the data
            yield _broken(here, "its checksum does not fit")
            return
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST):
            yield _broken(here, f"it is of the unknown kind {kind}")
            return
        yield _Chunk(here, kind, block[start:end])
        position = end


def _joined(chunks: Iterable[_Chunk | InputError]) -> Iterator[bytes | InputError]:
    """Records put together from their chunks."""
    parts: list[bytes] = []
    begun_at = size = 0
    is_lost = False  # the beginning of the record that is going on; that has been told
    for chunk in chunks:
        if isinstance(chunk, InputError):
            yield chunk
            parts, is_lost = [], True
        elif chunk.kind in (_FULL, _FIRST):
            if parts:
                yield _broken(begun_at, "the rest of it is missing")
            parts, begun_at, size, is_lost = [chunk.data], chunk.offset, len(chunk.data), False
        elif not parts:
            if not is_lost:
                yield _broken(chunk.offset, "its beginning is missing")
            is_lost = True
        else:
            parts.append(chunk.data)
            size += len(chunk.data)
            if size > MAX_RECORD_BYTES:
                yield _broken(begun_at, f"it is longer than {MAX_RECORD_BYTES // 2**20} MiB")
                parts, is_lost = [], True
        if parts and isinstance(chunk, _Chunk) and chunk.kind in (_FULL, _LAST):
            yield b"".join(parts)
            parts = []
    if parts:
        yield _truncated(begun_at)


def _truncated(offset: int) -> InputError:
    return InputError(
        "truncated_wandb",
        f"is cut off in the middle of the record at byte {offset}: the run crashed, or still "
        "writes; what came before has landed, land it again when there is more of it",
    )


def _broken(offset: int, why: str) -> InputError:
    return InputError(
        "broken_wandb",
        f"is damaged at byte {offset} ({why}); the records outside that block have landed, copy "
        "the file again from where the run was made",
    )
