"""Lines that land together or not at all, compressed as they come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

# For histories the fastest level is also a small one: 60.5 kB of the sample, level 6 64.1 kB.
SECTION_ZSTD_LEVEL = 1
SECTION_CHUNK_BYTES = 64 * 1024
# A section this small stays in memory: most histories do, and a run costs no file.
SECTION_MEMORY_BYTES = 256 * 1024
COPY_BYTES = 1024 * 1024


class Section:
    """Lines that land together or not at all: one run's history, collected while others are.

    They are compressed as they come, and leave the memory for a nameless file when they are many,
    which the kernel removes with the process. A section may outlive the batch it was begun in.
    """

    def __init__(self, folder: Path) -> None:
        self.rows = self.raw_bytes = self.max_record_bytes = 0
        self._lines: list[bytes] = []
        self._next_chunk = SECTION_CHUNK_BYTES
        self._spool = tempfile.SpooledTemporaryFile(SECTION_MEMORY_BYTES, dir=folder)  # noqa: SIM115
        self._zstd = zstandard.ZstdCompressor(level=SECTION_ZSTD_LEVEL).compressobj()

    def line(self, record: bytes) -> None:
        """Append one JSON document (without newline)."""
        self._lines.append(record)
        self.rows += 1
        self.raw_bytes += len(record) + 1
        if len(record) > self.max_record_bytes:
            self.max_record_bytes = len(record)
        if self.raw_bytes >= self._next_chunk:
            self._compress()

    def _compress(self) -> None:
        self._next_chunk = self.raw_bytes + SECTION_CHUNK_BYTES
        if self._lines:
            self._lines.append(b"")
            self._spool.write(self._zstd.compress(b"\n".join(self._lines)))
            self._lines = []

    def compressed(self) -> Iterator[bytes]:
        """The content, once: the section is closed by it."""
        self._compress()
        with self._spool as spool:
            spool.write(self._zstd.flush())
            spool.seek(0)
            while chunk := spool.read(COPY_BYTES):
                yield chunk

    def close(self) -> None:
        """Forget the content."""
        self._spool.close()
