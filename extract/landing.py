"""The landing zone: the only module that writes below the raw directory.

Layout (contract.md, section 2)::

    <raw>/wandb/<entity>/<project>/{runs,history,outcomes}/<batch>-<part>.jsonl.zst
    <raw>/_manifests/<source>/<batch>.json     what has landed, one file per batch
    <raw>/_tmp/<batch>/                        a batch that is being written
    <raw>/_locks/<source>.lock                 held by the running extractor

A batch is written below ``_tmp``, fsynced, renamed into place, and counts as landed when its
manifest, the last file to be renamed, exists. Readers go by the manifests, so a batch whose writer
was killed is invisible; the next extractor removes what is left of it. What has landed is never
rewritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import zstandard

from extract import __version__
from extract.errors import ExtractError, UsageError

# A part this large keeps a scan of the zone parallel (DuckDB reads a compressed file with one
# thread, several files with several) while one batch of a usual project stays one or two files.
PART_BYTES = 64 * 1024 * 1024
# Level 6 lands the sample history at 1/9 of its size; level 9 saves 6 % more at half the speed.
ZSTD_LEVEL = 6
# Refusals repeated in the manifest, so that `status` can show them; all are in the outcomes file.
MANIFEST_REFUSALS = 20
# File systems allow 255 bytes. Two names that are cut to the same folder are still told apart, by
# the manifests.
FOLDER_CHARACTERS = 200

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# DuckDB takes the first two for a pattern in a file's name, the third for a query; the quote would
# end the name in SQL.
UNREADABLE_IN_PATHS = frozenset("[\\?'")

UNKNOWN_PROJECT = ("_unknown", "_unknown")


@dataclass(frozen=True)
class LandedFile:
    """One immutable file of a batch; ``path`` is relative to the raw directory."""

    path: str
    kind: str
    entity: str | None
    project: str | None
    rows: int
    bytes: int
    raw_bytes: int
    max_record_bytes: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a run, a history, a line or a whole input."""

    item: str
    status: str  # landed | refused
    reason: str | None = None
    message: str | None = None
    line: int | None = None
    entity: str | None = None
    project: str | None = None
    run_id: str | None = None
    rows: int | None = None


@dataclass
class Manifest:
    """One batch: what was asked, what landed, what did not."""

    batch_id: str
    source: str
    arguments: dict[str, Any]
    started_at: str
    tool_version: str = __version__
    finished_at: str | None = None
    exported_at: str | None = None
    input_sha256: str | None = None
    pseudonym_key_id: str | None = None
    n_landed: int = 0
    n_refused: int = 0
    refusals: list[dict[str, Any]] = field(default_factory=list)
    files: list[LandedFile] = field(default_factory=list)


def utc_now() -> str:
    """The current time as ISO 8601 text in UTC, to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class _PartWriter:
    """One JSON Lines part: zstd-compressed, hashed while it is written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows = self.raw_bytes = self.max_record_bytes = 0
        self._hash = hashlib.sha256()
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed in close()
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL).stream_writer(self)

    def write(self, data: bytes) -> int:
        """Called by the compressor with compressed bytes."""
        self._hash.update(data)
        return self._file.write(data)

    def flush(self, *_: Any) -> None:
        """The compressor flushes its target; the file is flushed once, in close()."""

    def line(self, record: bytes) -> None:
        self._zstd.write(record)
        self._zstd.write(b"\n")
        self.rows += 1
        self.raw_bytes += len(record) + 1
        self.max_record_bytes = max(self.max_record_bytes, len(record))

    def close(self) -> str:
        """Finish the file and return its sha256."""
        self._zstd.flush(zstandard.FLUSH_FRAME)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._hash.hexdigest()

    def abandon(self) -> None:
        self._file.close()


class Batch:
    """A batch being written. Use it through ``LandingZone.batch``."""

    def __init__(self, zone: LandingZone, manifest: Manifest) -> None:
        self._zone = zone
        self.manifest = manifest
        self._tmp = zone.root / "_tmp" / manifest.batch_id
        self._writers: dict[tuple[str | None, str | None, str], _PartWriter] = {}
        self._closed: list[tuple[Path, LandedFile]] = []
        self._parts = 0
        # What marks the batch as unfinished, from before its first file until after its manifest.
        self._tmp.mkdir(parents=True)
        _fsync_directory(self._tmp.parent)

    def write(self, kind: str, entity: str | None, project: str | None, record: bytes) -> None:
        """Append one JSON document (without newline) to the landed files of its project."""
        key = (entity, project, kind)
        writer = self._writers.get(key)
        if writer is None:
            self._parts += 1
            name = f"{self.manifest.batch_id}-{self._parts:04d}.jsonl.zst"
            writer = self._writers[key] = _PartWriter(self._tmp / name)
        writer.line(record)
        if writer.raw_bytes >= PART_BYTES:
            self._finish(key)

    def outcome(self, outcome: Outcome) -> None:
        """Record what became of one item; refusals also go into the manifest."""
        record = {name: value for name, value in asdict(outcome).items() if value is not None}
        record |= {"source": self.manifest.source, "recorded_at": utc_now()}
        self.write("outcomes", outcome.entity, outcome.project, dump_json(record))
        if outcome.status == "landed":
            self.manifest.n_landed += 1
        else:
            self.manifest.n_refused += 1
            if len(self.manifest.refusals) < MANIFEST_REFUSALS:
                self.manifest.refusals.append(record)

    def _finish(self, key: tuple[str | None, str | None, str]) -> None:
        writer = self._writers.pop(key)
        entity, project, kind = key
        digest = writer.close()
        unknown_entity, unknown_project = UNKNOWN_PROJECT
        path = "/".join(
            (
                self.manifest.source,
                _folder(entity) if entity else unknown_entity,
                _folder(project) if project else unknown_project,
                kind,
                writer.path.name,
            )
        )
        landed = LandedFile(
            path=path,
            kind=kind,
            entity=entity,
            project=project,
            rows=writer.rows,
            bytes=writer.path.stat().st_size,
            raw_bytes=writer.raw_bytes,
            max_record_bytes=writer.max_record_bytes,
            sha256=digest,
        )
        self._closed.append((writer.path, landed))

    def commit(self) -> Manifest:
        """Move the files into place, then the manifest: from then on the batch has landed."""
        for key in list(self._writers):
            self._finish(key)
        for temporary, landed in self._closed:
            final = self._zone.root / landed.path
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(final)
            _fsync_directory(final.parent)
        self.manifest.files = [landed for _, landed in self._closed]
        self.manifest.finished_at = utc_now()
        temporary = self._tmp / "manifest.json"
        with open(temporary, "wb") as stream:
            stream.write(dump_json(asdict(self.manifest)))
            stream.flush()
            os.fsync(stream.fileno())
        final = self._zone.manifest_path(self.manifest.source, self.manifest.batch_id)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(final)
        _fsync_directory(final.parent)
        shutil.rmtree(self._tmp, ignore_errors=True)
        return self.manifest

    def abandon(self) -> None:
        """Forget the batch; nothing of it has landed."""
        for writer in self._writers.values():
            writer.abandon()
        self._zone.discard(self.manifest.source, self.manifest.batch_id)


class LandingZone:
    """A raw directory. Reading needs no lock; writing happens inside ``locked``."""

    def __init__(self, root: Path) -> None:
        if unreadable := UNREADABLE_IN_PATHS.intersection(str(root)):
            raise UsageError(
                f"the raw directory {root} has {' '.join(sorted(unreadable))} in its path, which "
                "DuckDB cannot read below; choose another one"
            )
        self.root = root

    def manifest_path(self, source: str, batch_id: str) -> Path:
        return self.root / "_manifests" / source / f"{batch_id}.json"

    def manifests(self, source: str | None = None) -> Iterator[Manifest]:
        """All landed batches, oldest first."""
        for path in sorted(self.root.glob(f"_manifests/{source or '*'}/*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                files = [LandedFile(**entry) for entry in content.pop("files")]
                manifest = Manifest(**content, files=files)
            except (ValueError, KeyError, TypeError) as problem:
                raise ExtractError(
                    f"the manifest {path} cannot be read ({problem}); restore it from a copy of "
                    "the zone, or delete it and land its inputs again"
                ) from problem
            yield manifest

    @contextmanager
    def locked(self, source: str) -> Iterator[None]:
        """Wait until no other extractor writes this source, then clean up after killed ones."""
        path = self.root / "_locks" / f"{source}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another extractor of {source} to finish", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
            for unfinished in (self.root / "_tmp").glob(f"{source}-*"):
                self.discard(source, unfinished.name)
            yield  # the kernel releases the lock, also when the process is killed

    @contextmanager
    def batch(self, source: str, arguments: dict[str, Any], **fields: Any) -> Iterator[Batch]:
        """Write one batch; it lands as a whole when the block ends, or not at all."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        batch_id = f"{source}-{stamp}-{secrets.token_hex(3)}"
        batch = Batch(self, Manifest(batch_id, source, arguments, utc_now(), **fields))
        try:
            yield batch
            batch.commit()
        except BaseException:
            batch.abandon()
            raise

    def discard(self, source: str, batch_id: str) -> None:
        """Remove what is left of a batch that has a temporary folder, which goes last.

        Files that have neither a manifest nor a temporary folder are not touched: they belong to
        a zone that was copied without its manifests, or is still being copied.
        """
        if not self.manifest_path(source, batch_id).exists():
            for path in (self.root / source).glob(f"**/{batch_id}-*"):
                path.unlink()
        shutil.rmtree(self.root / "_tmp" / batch_id, ignore_errors=True)

    def unlisted_files(self) -> list[Path]:
        """Landed files that no manifest lists; no model reads them."""
        listed = {landed.path for manifest in self.manifests() for landed in manifest.files}
        return [
            path
            for path in self.root.glob("*/*/*/*/*")
            if path.is_file() and str(path.relative_to(self.root)) not in listed
        ]


def dump_json(value: Mapping[str, Any], *, sort_keys: bool = False) -> bytes:
    """Compact UTF-8 JSON. Big integers stay exact; NaN and Infinity are written bare, as W&B does.

    A lone surrogate cannot be written as UTF-8 and would make DuckDB refuse the whole file: it
    becomes the text of its escape, so that two of them stay different.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).encode()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, read in constant memory."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _folder(name: str) -> str:
    """One folder for one name, whatever is in it; the name itself stands in the manifest."""
    quoted = quote(name, safe="", errors="surrogatepass")
    if quoted.strip(".") == "":  # `..` would leave the zone
        quoted = quoted.replace(".", "%2E")
    return quoted[:FOLDER_CHARACTERS]


def _fsync_directory(path: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
