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
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from isal import isal_zlib

from extract.errors import InputError
from extract.inputs import GZIP_MAGIC

CHUNK_BYTES = 256 * 1024
COMPRESSED_CHUNK_BYTES = 64 * 1024
GZIP_WBITS = 31  # a gzip header and trailer, the largest window
# A checkpoint is about 60 MB of JSON in 132 members, and a tarball of it 9 MB. What is above these
# limits is no checkpoint; they keep a tarball that was made to fill the disk from doing that.
MAX_CHECKPOINT_BYTES = 1024**3
MAX_CHECKPOINT_MEMBERS = 2_000
MAX_ARCHIVE_MEMBERS = 100_000  # the published have 600
MAX_METRICS_BYTES = 16 * 1024**2
MAX_HEADER_BYTES = 1024**2
# The JSON is compressed 6 to 1, the tarballs inside a tarball not at all.
MAX_RATIO = 100
# Shorter streams may have any ratio: a tar ends with up to 10 kB of zeros.
RATIO_COUNTS_FROM = 4 * 1024**2

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
_TARBALL = ".tar.gz"
# A summary in raw OLMES output, which repeats what the files of the tasks hold.
_SUMMARY = "metrics-all.jsonl"
_AGAIN = "fetch or copy it again, and call again"


class ArchiveError(InputError):
    """An archive cannot be read any further; the checkpoints before have landed."""


def unexpected(name: str, problem: Exception, error: type[InputError]) -> InputError:
    """The refusal of what nobody thought of: it must not keep the rest from landing."""
    first_line = str(problem).partition("\n")[0][:200]
    return error(
        "unreadable",
        f"{name}: cannot be read ({type(problem).__name__}: {first_line}); get it again from its "
        "publisher, or report this",
    )


@dataclass(frozen=True, order=True)
class Checkpoint:
    """What one inner tarball is of."""

    tar_name: str
    params: str
    seed_number: int
    step: int

    @property
    def name(self) -> str:
        return f"{self.tar_name}/{self.params}/seed-{self.seed_number}/step-{self.step}"

    @property
    def folders(self) -> tuple[str, ...]:
        """Where it lands, below the source."""
        return (
            f"recipe={self.tar_name}", f"params={self.params}", f"seed={self.seed_number}",
            f"step={self.step}",
        )  # fmt: skip


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Digest:
    """A file to read, and the sha256 of what has been read of it."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._sha256 = hashlib.sha256()

    @property
    def text(self) -> str:
        return self._sha256.hexdigest()

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._sha256.update(data)
        return data


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


@dataclass
class TaskFiles:
    """The two files of one task, as they came out of a checkpoint."""

    metrics: bytes | None = None
    metrics_sha256: str = ""
    predictions: Path | None = None
    predictions_bytes: int = 0
    colons: int = 0  # one for each key, and those in texts
    member: str = ""


@dataclass
class Unpacked:
    """A checkpoint on disk: the wanted tasks by name, and what is in it that is no task."""

    checkpoint: Checkpoint
    path: str
    tarball_sha256: str | None = None
    tasks: dict[str, TaskFiles] = field(default_factory=dict)
    unknown: dict[str, InputError] = field(default_factory=dict)
    known: frozenset[str] = frozenset()  # all tasks, wanted or not


class Gunzip:
    """A gzip stream as a file to read: whole, or refused; never far larger than what it is of."""

    def __init__(
        self, source: Readable, name: str, error: type[InputError], max_bytes: int | None = None
    ) -> None:
        self._source = source
        self._name = name
        self._error = error
        self._max_bytes = max_bytes
        self._stream = isal_zlib.decompressobj(GZIP_WBITS)
        self._pending = b""
        self._is_started = False
        self._read = self._written = 0

    def read(self, size: int, /) -> bytes:
        """Some bytes, at most ``size``; none at the end only."""
        while True:
            if not self._pending:
                self._pending = self._source.read(COMPRESSED_CHUNK_BYTES)
                if not self._pending:
                    if self._is_started or not self._read:
                        raise self._error(
                            "truncated",
                            f"{self._name}: ends in the middle of its gzip stream; {_AGAIN}",
                        )
                    return b""
                is_first = not self._read
                self._read += len(self._pending)
                if not self._is_started and not is_first:
                    self._pending = self._pending.lstrip(b"\0")  # archives may be padded
                    if not self._pending:
                        continue
            else:
                is_first = False
            if not self._is_started:
                self._check_magic(is_first)
            self._is_started = True
            try:
                data = self._stream.decompress(self._pending, size)
            except isal_zlib.error as problem:
                raise self._error(
                    "broken_gzip",
                    f"{self._name}: is not valid gzip ({problem}); {_AGAIN}",
                ) from None
            self._pending = self._stream.unconsumed_tail
            if self._stream.eof:
                # Gzip streams may follow each other.
                self._pending = self._stream.unused_data.lstrip(b"\0")
                self._stream = isal_zlib.decompressobj(GZIP_WBITS)
                self._is_started = False
            if data:
                self._written += len(data)
                self._check_size()
                return data

    def _check_size(self) -> None:
        if self._max_bytes is not None and self._written > self._max_bytes:
            raise self._error(
                "too_large",
                f"{self._name}: unpacks to more than {self._max_bytes / 1024**3:.0f} GiB "
                "(MAX_CHECKPOINT_BYTES), which no checkpoint does; leave it out of the archive",
            )
        if self._written > RATIO_COUNTS_FROM and self._written > MAX_RATIO * self._read:
            raise self._error(
                "too_large",
                f"{self._name}: unpacks to more than {MAX_RATIO} times its size (MAX_RATIO), which "
                "no results do; leave it out of the archive",
            )

    def _check_magic(self, is_first: bool) -> None:
        # One byte may be all that there is yet.
        if GZIP_MAGIC.startswith(self._pending[: len(GZIP_MAGIC)]):
            return
        if not is_first:
            raise self._error(
                "trailing_data",
                f"{self._name}: something follows the end of its gzip stream; {_AGAIN}",
            )
        if self._pending.startswith(b"version https://git-lfs"):
            raise self._error(
                "not_gzip",
                f"{self._name}: is a Git LFS pointer, not the file that it stands for: run `git "
                "lfs pull` in its folder",
            )
        raise self._error(
            "not_gzip", f"{self._name}: is not a gzip file; expected a tarball ({_TARBALL})"
        )


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
            if name.lower().endswith(_TARBALL):
                checkpoint = checkpoint_of(name[: -len(_TARBALL)], tar_name)
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
                is_tarball = name.lower().endswith(_TARBALL)
                stem = name[: -len(_TARBALL)] if is_tarball else name
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
                    f"first is {self._first}; expected RECIPE/SIZE/seed-N/step-S{_TARBALL}",
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


class Tar:
    """A tar that is read front to back, and only whole.

    tarfile takes a header that is damaged, or the lack of an end, for the end of the archive: what
    comes after it would be missing without a word. Its reading of one header is used.
    """

    def __init__(self, source: Gunzip, name: str, error: type[InputError]) -> None:
        self._source = source
        self._name = name
        self._error = error
        self._left = 0  # of the content of the present member

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        """The members; the content of each can be read until the next is asked for."""
        name, size = "", None  # as headers of their own say of the next member
        while (header := self._exactly(tarfile.BLOCKSIZE)).strip(b"\0"):
            try:
                info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
            except tarfile.HeaderError as problem:
                raise self._broken(f"{problem}") from None
            if info.type in _EXTENDED:
                content = self._exactly(self._padded(info.size, MAX_HEADER_BYTES))[: info.size]
                if info.type == tarfile.GNUTYPE_LONGNAME:
                    name = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
                elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                    try:
                        attributes = _pax(content)
                    except ValueError:
                        raise self._broken("a pax header that is none") from None
                    name = attributes.get("path", name)
                    size = attributes.get("size", size)
                continue
            info.name = name or info.name
            if size is not None:
                info.size = int(size) if _SIZE.fullmatch(size) else -1
            name, size = "", None
            padded = self._padded(info.size)
            self._left = info.size if info.isreg() else 0
            yield info
            padding = padded - info.size
            while self.read(CHUNK_BYTES):
                pass
            self._exactly(padding if info.isreg() else 0)
        # The end is two blocks of zeros, padded with more.
        while rest := self._source.read(CHUNK_BYTES):
            if rest.strip(b"\0"):
                raise self._broken("something follows its end")

    def read(self, size: int, /) -> bytes:
        """Some bytes of the present member; none at its end."""
        if not self._left:
            return b""
        data = self._source.read(min(size, self._left))
        if not data:
            raise self._broken("it ends in the middle of a member")
        self._left -= len(data)
        return data

    def _exactly(self, size: int) -> bytes:
        pieces = []
        while size:
            if not (data := self._source.read(size)):
                raise self._broken("it has no end mark")
            pieces.append(data)
            size -= len(data)
        return b"".join(pieces)

    def _padded(self, size: int, most: int | None = None) -> int:
        if size < 0 or (most is not None and size > most):
            raise self._broken("a header with an impossible size")
        return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE

    def _broken(self, why: str) -> InputError:
        return self._error(
            "broken_tar",
            f"{self._name}: is no whole tar ({why}); {_AGAIN}",
        )


_EXTENDED = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip


_SIZE = re.compile("[0-9]{1,18}")


def _pax(content: bytes) -> dict[str, str]:
    """The attributes of a pax header: records of `<length> <key>=<value>` and a newline.

    The length is that of the whole record; a value may have newlines.
    """
    found = {}
    at, length = 0, len(content.rstrip(b"\0"))
    while at < length:
        blank = content.index(b" ", at)
        end = at + int(content[at:blank][:9])
        key, equals, value = content[blank + 1 : end - 1].partition(b"=")
        if end <= blank or content[end - 1 : end] != b"\n" or not equals:
            raise ValueError
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return found


@contextmanager
def opened(path: Path, name: str, error: type[InputError]) -> Iterator[Readable]:
    """A file of the source; it is refused where it cannot be read."""
    try:
        # Whoever opens a pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise error("no_file", f"{name}: is no regular file; leave it out of --source")
        file = open(path, "rb")  # noqa: SIM115
    except OSError as problem:
        raise _unopened(name, problem, error) from None
    with file:
        yield _Source(file, name, error)


class _Source:
    """A file of the source. What the zone cannot write is another matter, and no refusal."""

    def __init__(self, file: IO[bytes], name: str, error: type[InputError]) -> None:
        self._file = file
        self._name = name
        self._error = error

    def read(self, size: int, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as problem:
            raise _unopened(self._name, problem, self._error) from None


def _visible(folder: Path, error: type[InputError]) -> list[Path]:
    try:
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as problem:
        raise _unopened(folder.name, problem, error) from None
    return [folder / name for name in names]


def _unopened(name: str, problem: OSError, error: type[InputError]) -> InputError:
    why = problem.strerror or problem
    return error("unreadable", f"{name}: cannot be read ({why}); mend that, and call again")
