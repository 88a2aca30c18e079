"""The landing zone, as a whole: its locks, and what has landed in it.

Several extractors of one source may run at once, on different parts of it, where the source has
scopes: then each scope has a lock, and names of batches, of its own.

A batch is written below ``_tmp``, fsynced, renamed into place, and counts as landed when its
manifest, the last file to be renamed, exists. Readers go by the manifests, so a batch whose writer
was killed is invisible; the next extractor removes what is left of it. What has landed is never
rewritten.

Locks are filelock's: 10 lines less than ours over `fcntl`, as well released by a kill, and with its
own answer to a lock file that goes between open and lock. It costs 25 ms of every start, and up to
50 ms until a waiting extractor goes on.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from extract.errors import ExtractError, UsageError
from extract.inputs import lines
from extract.landing.batch import Batch, discard
from extract.landing.layout import (
    DOWNLOADS,
    MANIFESTS,
    TEMPORARY,
    UNREADABLE_IN_PATHS,
    batch_prefix,
    lock_path,
)
from extract.landing.manifest import LandedFile, Manifest, utc_now
from extract.landing.privacy import Pseudonymiser
from extract.landing.section import Section

SCRATCH_PREFIX = "scratch-"
SCRATCH_LOCK = ".lock"


class LandingZone:
    """A raw directory. Reading needs no lock; writing happens inside ``locked``."""

    def __init__(self, root: Path) -> None:
        if unreadable := UNREADABLE_IN_PATHS.intersection(str(root)):
            raise UsageError(
                f"the raw directory {root} has {' '.join(sorted(unreadable))} in its path, which "
                "DuckDB cannot read below; choose another one"
            )
        self.root = root

    def downloads(self, source: str) -> Path:
        """Where a source keeps what it has fetched until it has landed."""
        return self.root / DOWNLOADS / source

    def manifests(self, source: str | None = None, scope: str | None = None) -> Iterator[Manifest]:
        """All landed batches, or those of a source or of one scope of it, oldest first."""
        names = f"{batch_prefix(source, scope)}*" if source and scope is not None else "*"
        for path in sorted(self.root.glob(f"{MANIFESTS}/{source or '*'}/{names}.json")):
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
        path = lock_path(self.root, source, scope)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(path)
        try:
            held = lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another extractor of {path.stem} to finish", file=sys.stderr)
            held = lock.acquire()
        with held:
            (self.root / TEMPORARY).mkdir(exist_ok=True)
            self.discard_unfinished(source, scope)
            self._remove_left_scratch()
            try:
                yield
            finally:
                # What a child of a killed extractor was still writing when this one began.
                self._remove_left_scratch()

    def discard_unfinished(self, source: str, scope: str | None = None) -> None:
        """Remove what is left of batches that nobody will finish; call it inside ``locked``."""
        for unfinished in (self.root / TEMPORARY).glob(f"{batch_prefix(source, scope)}*"):
            discard(self.root, source, unfinished.name)

    def begin(
        self, source: str, arguments: dict[str, Any], *, scope: str | None = None, **fields: Any
    ) -> Batch:
        """A new batch, for the caller to commit or abandon; its scope is that of the lock."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        batch_id = f"{batch_prefix(source, scope)}{stamp}-{secrets.token_hex(3)}"
        return Batch(self.root, Manifest(batch_id, source, arguments, utc_now(), **fields))

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
        temporary = self.root / TEMPORARY
        temporary.mkdir(parents=True, exist_ok=True)
        folder = temporary / f"{SCRATCH_PREFIX}{secrets.token_hex(4)}"
        # Beside the folder: it is there before, and goes after.
        with _lock(folder.with_suffix(SCRATCH_LOCK)):
            folder.mkdir()
            try:
                yield folder
            finally:
                _remove_scratch(folder)

    def _remove_left_scratch(self) -> None:
        for path in (self.root / TEMPORARY).glob(f"{SCRATCH_PREFIX}*{SCRATCH_LOCK}"):
            # In use, or being removed at this moment.
            with suppress(OSError), _lock(path, timeout=0):
                _remove_scratch(path.with_suffix(""))

    def section(self) -> Section:
        """A new section, spilled into the zone's temporary folder; call it inside ``locked``."""
        return Section(self.root / TEMPORARY)

    def records(self, manifests: Iterable[Manifest], kind: str) -> Iterator[dict[str, Any]]:
        """The landed records of one kind of these batches, in order of landing."""
        for manifest in manifests:
            for landed in manifest.files:
                if landed.kind == kind:
                    for line in lines(self.root / landed.path):
                        yield json.loads(line.content)

    def has_rows(self) -> bool:
        """Whether any row has landed; what a call says of its own outcome is none."""
        try:
            return any(
                landed.rows
                for manifest in self.manifests()
                for landed in manifest.files
                if landed.kind != "outcomes"
            )
        except ExtractError:  # a manifest that cannot be read: whoever reads the rows tells of it
            return True

    def refusals(self) -> list[str]:
        """What calls have said of inputs that did not land, the newest last."""
        manifests = sorted(self.manifests(), key=lambda manifest: manifest.started_at)
        return [refusal["message"] for manifest in manifests for refusal in manifest.refusals]

    def unlisted_files(self) -> list[Path]:
        """Landed files that no manifest lists; no model reads them."""
        listed = {landed.path for manifest in self.manifests() for landed in manifest.files}
        return [
            path
            for path in self.root.glob("[!_.]*/**/*")
            if path.is_file() and str(path.relative_to(self.root)) not in listed
        ]


def landed_batches(zone: LandingZone, source: str, pseudonymiser: Pseudonymiser) -> list[Manifest]:
    """All batches of a source with personal data, oldest first.

    One zone, one key: under two keys, or a key and none, the same person would become two.
    """
    manifests = list(zone.manifests(source))
    for manifest in manifests:
        holds_data = any(entry.kind != "outcomes" for entry in manifest.files)
        if holds_data and manifest.pseudonym_key_id != pseudonymiser.key_id:
            how = "with another pseudonym key" if manifest.pseudonym_key_id else "in clear text"
            raise UsageError(
                f"the zone {zone.root} was landed {how} (batch {manifest.batch_id}): set the "
                "original key, or --keep-personal if there was none, or land into another --raw-dir"
            )
    return manifests


def _lock(path: Path, timeout: float = -1) -> FileLock:
    """A lock that the kernel releases, also when the process is killed; nothing in its place where
    the file system has none.
    """
    return FileLock(path, timeout=timeout, fallback_to_soft=False)


def _remove_scratch(folder: Path) -> None:
    """With its lock at last: a child of a killed extractor may write for a moment longer."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        folder.with_suffix(SCRATCH_LOCK).unlink(missing_ok=True)
