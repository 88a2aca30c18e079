"""The archives of question-level results: tarballs of tarballs, read once from front to back.

    {recipe}.tar.gz
      {recipe}/{size}/seed-{n}/step-{S}.tar.gz      one checkpoint
        step-{S}/{task}-metrics.json
        step-{S}/{task}-predictions.jsonl

Nothing is extracted by the names in a tarball: members of known tasks are copied to files that are
named after the task. Whatever an archive holds, it takes bounded time, memory and disk.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from extract.errors import InputError
from extract.instances.streams import (
    CHUNK_BYTES,
    TARBALL,
    Digest,
    Gunzip,
    Readable,
    Tar,
    opened,
    unopened,
)
from extract.olmes.checkpoint import Checkpoint, TaskFiles, Unpacked

# A checkpoint is about 60 MB of JSON in 132 members, and a tarball of it 9 MB. What is above these
# limits is no checkpoint; they keep a tarball that was made to fill the disk from doing that.
MAX_CHECKPOINT_BYTES = 1024**3
MAX_CHECKPOINT_MEMBERS = 2_000
MAX_ARCHIVE_MEMBERS = 100_000  # the published have 600
MAX_METRICS_BYTES = 16 * 1024**2

# Of the published archives, and of raw OLMES output (spec instances, section 1).
_FILE = re.compile(
    r"^(?:task-\d{3}-)?(?P<task>.+?)-(?P<kind>metrics\.json|predictions\.jsonl"
    r"|requests\.jsonl(?:\.gz)?|recorded-inputs\.jsonl|verbose-metrics\.json)$",
    re.IGNORECASE,
)
_FLAT_FILE = re.compile(r"^(?:task-\d{3}-)?(?P<task>.+)\.jsonl$", re.IGNORECASE)
_CHECKPOINT = re.compile(
    r"(?:^|/)(?P<recipe>[^/]+)/(?P<params>\d[\d.]*[a-z])/seed-(?P<seed>\d{1,9})"
    r"/step-(?P<step>\d{1,15})$",
    re.IGNORECASE,
)
_STEP_FOLDER = re.compile(r"^(?:.*-)?step-?(?P<step>\d{1,15})$", re.IGNORECASE)
# A summary in raw OLMES output, which repeats what the files of the tasks hold.
_SUMMARY = "metrics-all.jsonl"


class ArchiveError(InputError):
    """An archive cannot be read any further; the checkpoints before have landed."""


@dataclass(frozen=True)
class Member:
    """A file inside a checkpoint; its content can be read until the next one is asked for."""

    name: str
    content: Readable


class Tarball:
    """A checkpoint that is packed; it can be read once."""

    def __init__(self, opened: Callable[[], AbstractContextManager[Readable]], name: str) -> None:
        self._opened = opened
        self._name = name
        self.sha256: str | None = None  # once all has been read

    def members(self) -> Iterator[Member]:
        with self._opened() as source:
            digest = Digest(source)
            tar = Tar(Gunzip(digest, self._name, InputError, MAX_CHECKPOINT_BYTES), self._name,
                      InputError)  # fmt: skip
            for info in tar:
                if info.isdir():
                    continue
                if problem := unsafe(info, f"{self._name}, {info.name}"):
                    raise problem
                yield Member(info.name, tar)
            self.sha256 = digest.text

    def skim(self) -> None:
        """Read it for its sha256 alone."""
        with self._opened() as source:
            digest = Digest(source)
            while digest.read(CHUNK_BYTES):
                pass
            self.sha256 = digest.text


class Folder:
    """A checkpoint that is unpacked."""

    sha256 = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def members(self) -> Iterator[Member]:
        for path in _visible(self._path, InputError):
            if path.is_file():
                name = f"{self._path.name}/{path.name}"
                with opened(path, name, InputError) as content:
                    yield Member(name, content)

    def skim(self) -> None:
        """There is no tarball to tell it from others by."""


@dataclass(frozen=True)
class Found:
    """A checkpoint in an archive; its content can be read until the next one is asked for."""

    checkpoint: Checkpoint
    path: str  # inside the archive
    content: Tarball | Folder


@dataclass(frozen=True)
class Refused:
    """What is in an archive and cannot land, and the checkpoints that it would have been."""

    item: str
    problem: InputError
    checkpoints: frozenset[Checkpoint] = frozenset()


# -- checkpoints ----------------------------------------------------------------------------------


def in_tarball(path: Path, tar_name: str) -> Iterator[Found | Refused]:
    """The checkpoints of a recipe's tarball, and what in it is refused by its name.

    Raises ``ArchiveError`` where it cannot be read any further.
    """
    with opened(path, path.name, ArchiveError) as file:
        tar = Tar(Gunzip(file, path.name, ArchiveError), path.name, ArchiveError)
        others = Others(path.name)
        for count, info in enumerate(tar, start=1):
            name = info.name
            if count > MAX_ARCHIVE_MEMBERS:
                yield from others.refused()
                raise ArchiveError(
                    "too_many_members",
                    f"{path.name}: has more than {MAX_ARCHIVE_MEMBERS} files "
                    "(MAX_ARCHIVE_MEMBERS); get it from its publisher",
                )
            if info.isdir():
                continue
            checkpoint = None
            if name.lower().endswith(TARBALL):
                checkpoint = checkpoint_of(name[: -len(TARBALL)], tar_name)
            if problem := unsafe(info, f"{path.name}: {name}"):
                others.add_unsafe(name, problem, checkpoint)
            elif checkpoint is None:
                others.add(name)
            else:
                content = Tarball(partial(nullcontext, tar), f"{path.name}: {name}")
                yield Found(checkpoint, name, content)
        yield from others.refused()


def in_folder(folder: Path, tar_name: str) -> Iterator[Found | Refused]:
    """The checkpoints below the folder of a recipe: tarballs, or unpacked into their folders."""
    others = Others(folder.name)
    for params in _visible(folder, ArchiveError):
        for seed in _visible(params, ArchiveError):
            for path in _visible(seed, ArchiveError):
                name = path.relative_to(folder.parent).as_posix()
                is_tarball = name.lower().endswith(TARBALL)
                stem = name[: -len(TARBALL)] if is_tarball else name
                checkpoint = checkpoint_of(stem, tar_name)
                if checkpoint is None or not (is_tarball or path.is_dir()):
                    others.add(name)
                elif is_tarball:
                    content = Tarball(partial(opened, path, name, InputError), name)
                    yield Found(checkpoint, name, content)
                else:
                    yield Found(checkpoint, name, Folder(path))
    yield from others.refused()


def checkpoint_of(stem: str, tar_name: str) -> Checkpoint | None:
    """The checkpoint that a path without its suffix is of; the recipe is that of the tarball.

    The letter case of folders differs between the published tarballs (`Dolma1.7-...`).
    """
    found = _CHECKPOINT.search(stem)
    if found is None or found["recipe"].lower() != tar_name.lower():
        return None
    return Checkpoint(tar_name, found["params"].upper(), int(found["seed"]), int(found["step"]))


def unsafe(info: tarfile.TarInfo, name: str) -> InputError | None:
    """Why a member of a tarball is refused, if it is."""
    if info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        return InputError(
            "unsafe_path",
            f"{name}: has a path that leaves its archive; get the archive from its publisher",
        )
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE):
        return InputError(
            "unsafe_member",
            f"{name}: is a link or a device, expected a file; get the archive from its publisher",
        )
    return None


class Others:
    """What is no checkpoint, or not to be read: told once of each kind, however much there is."""

    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._first = ""
        self._count = 0
        # By reason: the first, its problem, and how many.
        self._unsafe: dict[str, tuple[str, InputError, int]] = {}
        self._checkpoints: set[Checkpoint] = set()

    def add(self, name: str) -> None:
        if not PurePosixPath(name).name.startswith("."):  # what systems leave in folders
            self._first = self._first or name
            self._count += 1

    def add_unsafe(self, name: str, problem: InputError, checkpoint: Checkpoint | None) -> None:
        first, first_problem, count = self._unsafe.get(problem.reason, (name, problem, 0))
        self._unsafe[problem.reason] = (first, first_problem, count + 1)
        if checkpoint is not None:
            self._checkpoints.add(checkpoint)

    def refused(self) -> Iterator[Refused]:
        checkpoints = frozenset(self._checkpoints)
        for reason, (first, problem, count) in self._unsafe.items():
            if count > 1:
                problem = InputError(reason, f"{problem} (the first of {count} such members)")
            yield Refused(first, problem, checkpoints)
        if self._count:
            files = "a file" if self._count == 1 else f"{self._count} files"
            yield Refused(
                self._first,
                InputError(
                    "unexpected_member",
                    f"{self._archive}: holds {files} that no checkpoint of it would have, the "
                    f"first is {self._first}; expected RECIPE/SIZE/seed-N/step-S{TARBALL}",
                ),
            )


# -- one checkpoint -------------------------------------------------------------------------------


def unpack(found: Found, folder: Path, known: Iterable[str], wanted: Iterable[str]) -> Unpacked:
    """Copy the files of the wanted tasks into a folder; refuse what no checkpoint holds."""
    known, wanted = frozenset(known), frozenset(wanted)
    result = Unpacked(found.checkpoint, found.path, known=known)
    name = found.checkpoint.name
    for count, member in enumerate(found.content.members(), start=1):
        if count > MAX_CHECKPOINT_MEMBERS:
            raise InputError(
                "too_many_members",
                f"{name}: has more than {MAX_CHECKPOINT_MEMBERS} files (MAX_CHECKPOINT_MEMBERS); "
                "expected two for each of its tasks",
            )
        path = PurePosixPath(member.name)
        parsed = _FILE.match(path.name)
        kind = parsed["kind"].lower() if parsed else "predictions.jsonl"
        parsed = parsed or _FLAT_FILE.match(path.name)
        if parsed is None or path.name.startswith(".") or path.name.lower() == _SUMMARY:
            continue  # summaries and the like, which hold nothing that the tasks do not
        _check_step(path, found.checkpoint)
        task = parsed["task"].lower()
        if task not in known:
            if kind in ("metrics.json", "predictions.jsonl"):
                result.unknown[task] = InputError(
                    "unknown_task",
                    f"{name}, task {task}: is none of the tasks of these results; add it to "
                    "seeds/task_registry.csv if it should be",
                )
            continue
        if task not in wanted:
            continue
        files = result.tasks.setdefault(task, TaskFiles())
        twice = InputError(
            "repeated_file",
            f"{name}, task {task}: has two files of {kind}; leave one of them out of the archive",
        )
        if kind == "metrics.json":
            if files.metrics is not None:
                raise twice
            files.metrics = _small(member, f"{name}, task {task}")
            files.metrics_sha256 = hashlib.sha256(files.metrics).hexdigest()
        elif kind == "predictions.jsonl":
            if files.predictions is not None:
                raise twice
            files.member = f"{found.path}/{member.name}"
            files.predictions = folder / f"{task}.jsonl"
            _copy(member.content, files)
    result.tarball_sha256 = found.content.sha256
    return result


def _check_step(path: PurePosixPath, checkpoint: Checkpoint) -> None:
    inside = _STEP_FOLDER.match(path.parent.name)
    if inside and int(inside["step"]) != checkpoint.step:
        raise InputError(
            "wrong_step",
            f"{checkpoint.name}: holds the folder {path.parent.name}; it was packed under the name "
            "of another checkpoint, get it again from its publisher",
        )


def _copy(content: Readable, files: TaskFiles) -> None:
    assert files.predictions is not None
    with open(files.predictions, "wb", buffering=0) as target:
        while data := content.read(CHUNK_BYTES):
            target.write(data)
            files.colons += data.count(b":")
            files.predictions_bytes += len(data)


def _small(member: Member, name: str) -> bytes:
    pieces, size = [], 0
    while data := member.content.read(CHUNK_BYTES):
        pieces.append(data)
        size += len(data)
        if size > MAX_METRICS_BYTES:
            raise InputError(
                "too_large",
                f"{name}: its metrics.json has more than {MAX_METRICS_BYTES // 1024**2} MiB "
                "(MAX_METRICS_BYTES); expected one JSON object of a few kB",
            )
    return b"".join(pieces)


# -- containers -----------------------------------------------------------------------------------


def _visible(folder: Path, error: type[InputError]) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as problem:
        raise unopened(folder.name, problem, error) from None
    return [folder / name for name in names]
