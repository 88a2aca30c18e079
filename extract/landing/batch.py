"""A batch, while it is written: it lands as a whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from extract.landing.encoding import dump_json
from extract.landing.layout import file_name, manifest_path, project_folders, temporary_folder
from extract.landing.manifest import LandedFile, Manifest, Outcome, utc_now
from extract.landing.part import PartWriter
from extract.landing.section import Section

# A part this large keeps a scan of the zone parallel (DuckDB reads a compressed file with one
# thread, several files with several) while one batch of a usual project stays one or two files.
PART_BYTES = 64 * 1024 * 1024
# Refusals repeated in the manifest, so that `status` can show them; all are in the outcomes file.
MANIFEST_REFUSALS = 20


@dataclass(frozen=True)
class Taken:
    """A whole file that a batch holds, and may adopt."""

    path: Path
    bytes: int
    sha256: str


class Batch:
    """A batch being written. Use it through ``LandingZone.batch``."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self._root = root
        self.manifest = manifest
        self._tmp = temporary_folder(root, manifest.batch_id)
        self._writers: dict[tuple[str | None, str | None, str], PartWriter] = {}
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

    def _writer(self, key: tuple[str | None, str | None, str]) -> PartWriter:
        writer = self._writers.get(key)
        if writer is None:
            self._parts += 1
            name = f"{self.manifest.batch_id}-{self._parts:04d}.jsonl.zst"
            writer = self._writers[key] = PartWriter(self._tmp / name)
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
            folders = project_folders(entity, project)
        path = "/".join((self.manifest.source, *folders, f"{taken.path.name}-{file_name(name)}"))
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
        path = "/".join(
            (self.manifest.source, *project_folders(entity, project), kind, writer.path.name)
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
            final = self._root / landed.path
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
        final = manifest_path(self._root, self.manifest.source, self.manifest.batch_id)
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(final)
        _fsync_directory(final.parent)
        shutil.rmtree(self._tmp, ignore_errors=True)
        return self.manifest

    def abandon(self) -> None:
        """Forget the batch; nothing of it has landed."""
        for writer in self._writers.values():
            writer.abandon()
        discard(self._root, self.manifest.source, self.manifest.batch_id)


def discard(root: Path, source: str, batch_id: str) -> None:
    """Remove what is left of a batch that has a temporary folder, which goes last.

    Files that have neither a manifest nor a temporary folder are not touched: they belong to
    a zone that was copied without its manifests, or is still being copied.
    """
    if not manifest_path(root, source, batch_id).exists():
        for path in (root / source).glob(f"**/{batch_id}-*"):
            path.unlink()
    shutil.rmtree(temporary_folder(root, batch_id), ignore_errors=True)


def _fsync_directory(path: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
