"""The landing zone: the only module that writes below the raw directory.

Layout (contract.md, section 2)::

    <raw>/wandb/<entity>/<project>/{runs,history,outcomes}/<batch>-<part>.jsonl.zst
    <raw>/huggingface/<dataset>/<revision>/<batch>-<part>-<file name>.parquet
    <raw>/instances/recipe=<tar name>/params=<size>/seed=<number>/step=<n>/<batch>-<part>-….parquet
    <raw>/posttrain/<dump>/<results directory>/{records,files,outcomes}/<batch>-<part>.jsonl.zst
    <raw>/posttrain/<dump>/<results directory>/<batch>-<part>-questions.parquet
    <raw>/_manifests/<source>/<batch>.json     what has landed, one file per batch
    <raw>/_tmp/<batch>/                        a batch that is being written
    <raw>/_downloads/<source>/                 what is to land; it survives a killed extractor
    <raw>/_locks/<source>.lock                 held by the running extractor

Several extractors of one source may run at once, on different parts of it, where the source has
scopes: then each scope has a lock, and names of batches, of its own.

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
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO
from urllib.parse import quote

import orjson
import zstandard

from extract import __version__
from extract.errors import ExtractError, UsageError
from extract.inputs import lines

# A part this large keeps a scan of the zone parallel (DuckDB reads a compressed file with one
# thread, several files with several) while one batch of a usual project stays one or two files.
PART_BYTES = 64 * 1024 * 1024
# Level 6 lands the sample history at 1/9 of its size; level 9 saves 6 % more at half the speed.
ZSTD_LEVEL = 6
# For histories the fastest level is also a small one: 60.5 kB of the sample, level 6 64.1 kB.
SECTION_ZSTD_LEVEL = 1
SECTION_CHUNK_BYTES = 64 * 1024
# A section this small stays in memory: most histories do, and a run costs no file.
SECTION_MEMORY_BYTES = 256 * 1024
COPY_BYTES = 1024 * 1024
# Between a source, a scope and the rest of a batch's name. No name of a source or a quoted scope
# has it, so that `dolma1.7` is not taken for the beginning of `dolma1.7-no-code`.
SCOPE_MARK = "@"
SCRATCH_PREFIX = "scratch-"
SCRATCH_LOCK = ".lock"
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
DOWNLOADS = "_downloads"


@dataclass(frozen=True)
class LandedFile:
    """One immutable file of a batch; ``path`` is relative to the raw directory.

    ``entity`` and ``project`` are the two levels below a source: those of W&B, or a dataset of the
    Hugging Face hub and its commit.
    """

    path: str
    kind: str
    entity: str | None
    project: str | None
    rows: int
    bytes: int
    raw_bytes: int
    max_record_bytes: int
    sha256: str
    provenance: dict[str, Any] | None = None  # of a file that landed whole: where it is from


@dataclass(frozen=True)
class Taken:
    """A whole file that a batch holds, and may adopt."""

    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Outcome:
    """What became of one item: a run, a history, a line or a whole input."""

    item: str
    status: str  # landed | refused | deleted | restored
    reason: str | None = None
    message: str | None = None
    line: int | None = None
    entity: str | None = None
    project: str | None = None
    run_id: str | None = None
    rows: int | None = None
    progress: dict[str, Any] | None = None  # what the next call must know to go on from here


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

    def section(self, section: Section) -> None:
        """Append what a section holds, compressed as it is: frames may follow each other."""
        self._zstd.flush(zstandard.FLUSH_FRAME)
        for chunk in section.compressed():
            self.write(chunk)
        self.rows += section.rows
        self.raw_bytes += section.raw_bytes
        self.max_record_bytes = max(self.max_record_bytes, section.max_record_bytes)

    def close(self) -> str:
        """Finish the file and return its sha256."""
        self._zstd.flush(zstandard.FLUSH_FRAME)
        self._file.flush()
        os.fsync(self._file.fileno())
        self.abandon()
        return self._hash.hexdigest()

    def abandon(self) -> None:
        # Each holds the other, and zstandard's objects are not found by the garbage collector: a
        # call that lands many batches once grew by 2.7 MB with each.
        del self._zstd
        self._file.close()


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

    @property
    def folder(self) -> Path:
        """For files that a batch needs until it is committed or abandoned; it goes with them."""
        return self._tmp

    def write(self, kind: str, entity: str | None, project: str | None, record: bytes) -> None:
        """Append one JSON document (without newline) to the landed files of its project."""
        key = (entity, project, kind)
        writer = self._writer(key)
        writer.line(record)
        if writer.raw_bytes >= PART_BYTES:
            self._finish(key)

    def append(self, kind: str, entity: str | None, project: str | None, section: Section) -> None:
        """Append a section to the landed files of its project."""
        key = (entity, project, kind)
        writer = self._writer(key)
        writer.section(section)
        if writer.raw_bytes >= PART_BYTES:
            self._finish(key)

    def _writer(self, key: tuple[str | None, str | None, str]) -> _PartWriter:
        writer = self._writers.get(key)
        if writer is None:
            self._parts += 1
            name = f"{self.manifest.batch_id}-{self._parts:04d}.jsonl.zst"
            writer = self._writers[key] = _PartWriter(self._tmp / name)
        return writer

    def take(self, path: Path, *, link: bool = False) -> Taken:
        """Hold a copy of a whole file, which lands if it is adopted.

        With ``link`` no byte is copied where the file system allows that. For files that nobody
        will write to again: what has landed would change with them.
        """
        self._parts += 1
        # The name by which `discard` would know it.
        held = self._tmp / f"{self.manifest.batch_id}-{self._parts:04d}"
        try:
            if not link:
                raise OSError
            os.link(path, held)
        except OSError:
            shutil.copyfile(path, held)
        with open(held, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        return Taken(held, held.stat().st_size, digest)

    def adopt(
        self,
        taken: Taken,
        kind: str,
        entity: str,
        project: str | None,
        *,
        name: str,
        rows: int,
        provenance: dict[str, Any],
        folders: Sequence[str] | None = None,
    ) -> None:
        """Land a file as it is, below the folders of its entity and project, or those given."""
        if folders is None:
            folders = (_folder(entity), _folder(project) if project else UNKNOWN_PROJECT[1])
        path = "/".join(
            (
                self.manifest.source,
                *folders,
                f"{taken.path.name}-{quote(name, safe='')[-FOLDER_CHARACTERS:]}",
            )
        )
        landed = LandedFile(
            path=path,
            kind=kind,
            entity=entity,
            project=project,
            rows=rows,
            bytes=taken.bytes,
            raw_bytes=taken.bytes,
            max_record_bytes=0,
            sha256=taken.sha256,
            provenance=provenance,
        )
        self._closed.append((taken.path, landed))

    def outcome(self, outcome: Outcome) -> None:
        """Record what became of one item; refusals also go into the manifest."""
        record = {name: value for name, value in asdict(outcome).items() if value is not None}
        record |= {"source": self.manifest.source, "recorded_at": utc_now()}
        self.write("outcomes", outcome.entity, outcome.project, dump_json(record))
        if outcome.status != "refused":
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

    def downloads(self, source: str) -> Path:
        """Where a source keeps what it has fetched until it has landed."""
        return self.root / DOWNLOADS / source

    def manifests(self, source: str | None = None, scope: str | None = None) -> Iterator[Manifest]:
        """All landed batches, or those of a source or of one scope of it, oldest first."""
        names = f"{_batch_prefix(source, scope)}*" if source and scope is not None else "*"
        for path in sorted(self.root.glob(f"_manifests/{source or '*'}/{names}.json")):
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
    def locked(self, source: str, scope: str | None = None) -> Iterator[None]:
        """Wait until no other extractor writes this source, then clean up after killed ones.

        With a scope, only extractors of the same one are waited for and cleaned up after.
        """
        what = source if scope is None else f"{source}{SCOPE_MARK}{_scope_name(scope)}"
        path = self.root / "_locks" / f"{what}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"waiting for another extractor of {what} to finish", file=sys.stderr)
                fcntl.flock(lock, fcntl.LOCK_EX)
            (self.root / "_tmp").mkdir(exist_ok=True)
            self.discard_unfinished(source, scope)
            self._remove_left_scratch()
            try:
                yield  # the kernel releases the lock, also when the process is killed
            finally:
                # What a child of a killed extractor was still writing when this one began.
                self._remove_left_scratch()

    def discard_unfinished(self, source: str, scope: str | None = None) -> None:
        """Remove what is left of batches that nobody will finish; call it inside ``locked``."""
        for unfinished in (self.root / "_tmp").glob(f"{_batch_prefix(source, scope)}*"):
            self.discard(source, unfinished.name)

    def begin(
        self, source: str, arguments: dict[str, Any], *, scope: str | None = None, **fields: Any
    ) -> Batch:
        """A new batch, for the caller to commit or abandon; its scope is that of the lock."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        batch_id = f"{_batch_prefix(source, scope)}{stamp}-{secrets.token_hex(3)}"
        return Batch(self, Manifest(batch_id, source, arguments, utc_now(), **fields))

    @contextmanager
    def batch(
        self, source: str, arguments: dict[str, Any], *, scope: str | None = None, **fields: Any
    ) -> Iterator[Batch]:
        """Write one batch; it lands as a whole when the block ends, or not at all."""
        batch = self.begin(source, arguments, scope=scope, **fields)
        try:
            yield batch
            batch.commit()
        except BaseException:
            batch.abandon()
            raise

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for clear text that must not stay, here or in the caches of the user.

        It is removed at the end, and after a kill by the next extractor, whichever it is.
        """
        (self.root / "_tmp").mkdir(parents=True, exist_ok=True)
        lock = self._scratch_lock()
        folder = Path(lock.name).with_suffix("")
        folder.mkdir()
        try:
            yield folder
        finally:
            _remove_scratch(folder)
            lock.close()

    def _scratch_lock(self) -> IO[str]:
        """Says that somebody works in the folder beside it; it is there before, and goes after."""
        while True:
            name = f"{SCRATCH_PREFIX}{secrets.token_hex(4)}{SCRATCH_LOCK}"
            lock = open(self.root / "_tmp" / name, "x", encoding="utf-8")  # noqa: SIM115
            fcntl.flock(lock, fcntl.LOCK_EX)
            if Path(lock.name).exists():  # else it was taken for one that was left
                return lock
            lock.close()

    def _remove_left_scratch(self) -> None:
        for path in (self.root / "_tmp").glob(f"{SCRATCH_PREFIX}*{SCRATCH_LOCK}"):
            try:
                with open(path, encoding="utf-8") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove_scratch(path.with_suffix(""))
            except OSError:
                continue  # in use, or being removed at this moment

    def section(self) -> Section:
        """A new section, spilled into the zone's temporary folder; call it inside ``locked``."""
        return Section(self.root / "_tmp")

    def records(self, manifests: Iterable[Manifest], kind: str) -> Iterator[dict[str, Any]]:
        """The landed records of one kind of these batches, in order of landing."""
        for manifest in manifests:
            for landed in manifest.files:
                if landed.kind == kind:
                    for line in lines(self.root / landed.path):
                        yield json.loads(line.content)

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
            for path in self.root.glob("[!_.]*/**/*")
            if path.is_file() and str(path.relative_to(self.root)) not in listed
        ]


def dump_json(value: Mapping[str, Any], *, sort_keys: bool = False) -> bytes:
    """Compact UTF-8 JSON. Big integers stay exact; NaN and Infinity are written bare, as W&B does.

    A lone surrogate cannot be written as UTF-8 and would make DuckDB refuse the whole file: it
    becomes the text of its escape, so that two of them stay different.
    """
    try:
        content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:  # an integer of more than 64 bits, or a lone surrogate
        content = b"null"
    # It writes a null for NaN and Infinity too.
    return _dump_exactly(value, sort_keys) if b"null" in content else content


def _dump_exactly(value: Mapping[str, Any], sort_keys: bool) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).encode()


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, read in constant memory."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remove_scratch(folder: Path) -> None:
    """With its lock at last: a child of a killed extractor may write for a moment longer."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        folder.with_suffix(SCRATCH_LOCK).unlink(missing_ok=True)


def _scope_name(scope: str) -> str:
    return quote(scope, safe="+")  # whatever means something in a pattern is not safe


def _batch_prefix(source: str, scope: str | None) -> str:
    """How the names of all batches of a source, or of one scope of it, and of no other begin."""
    if scope is None:
        return f"{source}-"
    return f"{source}{SCOPE_MARK}{_scope_name(scope)}{SCOPE_MARK}"


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
