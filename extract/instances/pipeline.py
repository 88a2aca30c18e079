"""`instances`: question-level results, from the Hugging Face hub or from files on disk.

A checkpoint of a recipe is one batch: all of its tasks that are asked for land, or none. A thread
reads them, two convert them (ISA-L and DuckDB let go of the interpreter), and the caller's commits
them. At most ``MAX_ON_DISK`` are unpacked at once, whatever the size of an archive.

Each recipe has its own lock, batches and downloads: two calls with two recipes, also on two
machines that share the zone, have nothing to do with each other.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from extract.errors import ExtractError, InputError
from extract.huggingface import hub
from extract.huggingface.hub import HubFile
from extract.instances.archive import (
    ArchiveError,
    Found,
    Refused,
    in_folder,
    in_tarball,
    unpack,
)
from extract.instances.landed import SOURCE, Contents, Landed
from extract.instances.request import Request, all_tasks
from extract.landing.batch import Batch
from extract.landing.manifest import Outcome
from extract.landing.zone import LandingZone
from extract.olmes.checkpoint import Checkpoint, Unpacked, unexpected
from extract.olmes.convert import Converted, Converter
from extract.summary import CallSummary

REPO_ID = "allenai/DataDecide-eval-instances"
REVISION = "23f3b2e186ca6c39026e3efa00e4af397680c075"
GB = 10**9
# One is read and two are converted: 0.2 GB of JSON.
MAX_ON_DISK = 3
# Each with a DuckDB of one thread: two that share one take 1.4 times the processor's time. Together
# they keep up with one that reads, on two cores.
CONVERTERS = 2
WAIT_S = 0.1
_TARBALL = ".tar.gz"
_N_SUGGESTIONS = 3


@dataclass
class Summary(CallSummary):
    """What a call did; printed as one line of JSON.

    ``checkpoints``, ``tasks``, ``questions`` and ``bytes`` have landed in this call; ``refused``
    counts the checkpoints, tasks and archives, or parts of them, that have not.
    """

    command = "instances"
    checkpoints: int = 0
    already_landed: int = 0
    tasks: int = 0
    questions: int = 0
    bytes: int = 0
    downloaded_bytes: int = 0
    refused: int = 0
    messages: list[str] = field(default_factory=list)


def land(
    zone: LandingZone,
    request: Request,
    *,
    keep_tarballs: bool = False,
    tell: Callable[[str], None] = lambda _message: None,
    report: Callable[[str, int], None] = lambda _name, _questions: None,
) -> Summary:
    """Land recipes from the hub; ``tell`` is told what is about to be downloaded."""
    return _Call(zone, request, report).from_hub(keep_tarballs, tell)


def land_source(
    zone: LandingZone,
    folders: Sequence[Path],
    request: Request,
    *,
    report: Callable[[str, int], None] = lambda _name, _questions: None,
) -> Summary:
    """Land recipes from files on disk, wherever below the folders they are."""
    return _Call(zone, request, report).from_disk(folders)


@dataclass
class Copy:
    """One copy of a checkpoint; an archive may hold another."""

    sha256: str | None = None
    is_whole: Future[bool] = field(default_factory=Future)  # once it has been converted


@dataclass(frozen=True)
class Read:
    """A checkpoint that is unpacked into the folder of its batch, or why it is not."""

    batch: Batch
    checkpoint: Checkpoint
    copy: Copy
    content: Unpacked | InputError


@dataclass(frozen=True)
class Done:
    """A checkpoint that is ready to be committed, or why it is not."""

    read: Read
    result: Converted | InputError


class _Call:
    """One call of the command."""

    def __init__(
        self, zone: LandingZone, request: Request, report: Callable[[str, int], None]
    ) -> None:
        self._zone = zone
        self._request = request
        self._report = report
        self._summary = Summary()

    def from_hub(self, keep_tarballs: bool, tell: Callable[[str], None]) -> Summary:
        listing: dict[str, HubFile] | InputError | None = None
        for tar_name in self._request.recipes:
            with self._zone.locked(SOURCE, tar_name):
                recipe = _Recipe(self._zone, self._request, tar_name, self._summary, self._report)
                if recipe.is_finished():
                    recipe.tidy(keep_tarballs or recipe.is_kept)
                    continue
                if listing is None:
                    listing = _listing()
                if isinstance(listing, InputError):
                    recipe.refuse_archive(REPO_ID, listing)
                    continue
                recipe.land_hub(listing, keep_tarballs, tell)
        return self._summary

    def from_disk(self, folders: Sequence[Path]) -> Summary:
        found = find_archives(folders, self._request.recipes, self._zone.root.resolve())
        for tar_name in self._request.recipes:
            with self._zone.locked(SOURCE, tar_name):
                recipe = _Recipe(self._zone, self._request, tar_name, self._summary, self._report)
                recipe.land_disk(found[tar_name])
        return self._summary


class _Recipe:
    """Lands what is asked for of one recipe; used inside its lock."""

    def __init__(
        self,
        zone: LandingZone,
        request: Request,
        tar_name: str,
        summary: Summary,
        report: Callable[[str, int], None],
    ) -> None:
        self._zone = zone
        self._request = request
        self._tar_name = tar_name
        self._summary = summary
        self._report = report
        self._landed = Landed(zone, tar_name)
        self._contents = Contents()

    # -- from the hub ------------------------------------------------------------------------------

    def is_finished(self) -> bool:
        """Whether calls before have read the tarball for all that is asked for; tell of it."""
        contents = self._landed.contents(REVISION)
        if contents is None:
            return False
        asked = [checkpoint for checkpoint in contents.held if self._request.has(checkpoint)]
        missing = {checkpoint: self._missing(checkpoint) for checkpoint in sorted(asked)}
        open_ones = [(checkpoint, tasks) for checkpoint, tasks in missing.items() if tasks]
        if not all(key in contents.refused for key in open_ones):
            return False
        self._contents = contents
        self._summary.already_landed += len(asked) - len(open_ones)
        for key in open_ones:
            refusal = contents.refused[key]
            self._tell_again(refusal.checkpoint.name, refusal.reason)
        if not self._request.tasks:
            for checkpoint, task in sorted(contents.unknown_tasks):
                if self._request.has(checkpoint) and task not in all_tasks():
                    self._tell_again(f"{checkpoint.name}, task {task}", "unknown_task")
        self._refuse_missed(f"{self._tar_name}{_TARBALL}")
        return True

    @property
    def is_kept(self) -> bool:
        return self._landed.is_kept(REVISION)

    def _missing(self, checkpoint: Checkpoint) -> frozenset[str]:
        return self._landed.missing(checkpoint, self._request.wanted_tasks)

    def _tell_again(self, name: str, reason: str) -> None:
        self._summary.refused += 1
        self._summary.messages.append(
            f"{name}: was refused by an earlier call of the same tarball ({reason}) and has not "
            "landed since; see staging.stg_instances__outcomes"
        )

    def land_hub(
        self, listing: dict[str, HubFile], keep_tarballs: bool, tell: Callable[[str], None]
    ) -> None:
        name = f"models/{self._tar_name}{_TARBALL}"
        file = listing.get(name.lower())
        if file is None:
            self.refuse_archive(name, InputError(
                "no_such_file",
                f"{REPO_ID}/{name}: is not there at {REVISION[:8]}; land a copy that you have with "
                "--source DIR",
            ))  # fmt: skip
            return
        try:
            path = self._fetch(file, tell)
        except InputError as problem:
            self.refuse_archive(file.name, problem)
            return
        origin = {key: value for key, value in asdict(file).items() if key != "git_sha1"}
        if self._land_archive(path.name, in_tarball(path, self._tar_name), origin):
            self._refuse_missed(path.name)
            self._finish(origin, keep_tarballs)
            self.tidy(keep_tarballs)

    def _fetch(self, file: HubFile, tell: Callable[[str], None]) -> Path:
        folder = self._downloads
        folder.mkdir(parents=True, exist_ok=True)
        size = hub.bytes_missing(file, folder)
        if size:
            free = shutil.disk_usage(folder).free
            if size > free:
                why = f"{size / GB:.3g} GB to download, {free / GB:.3g} GB free"
                raise hub.disk_full(file.name, why)
            tell(f"{file.name} at {file.revision[:8]}: {size / GB:.2f} GB to download")
        path = hub.fetch_in_parts(file, folder)
        self._summary.downloaded_bytes += size
        return path

    @property
    def _downloads(self) -> Path:
        return self._zone.downloads(SOURCE) / self._tar_name

    def tidy(self, keep_tarballs: bool) -> None:
        """Dispose of the download; the folder above is another call's, too."""
        if not keep_tarballs:
            shutil.rmtree(self._downloads, ignore_errors=True)

    def _finish(self, origin: dict[str, Any], keep_tarballs: bool) -> None:
        """Record that the tarball has been read to its end, so that it is not fetched again."""
        arguments = {
            "command": "instances", "recipe": self._tar_name, "archive": origin,
            "filters": self._request.filters, "kept": keep_tarballs,
            **self._contents.as_arguments(),
        }  # fmt: skip
        with self._zone.batch(SOURCE, arguments, scope=self._tar_name) as batch:
            item = f"{REPO_ID}/{origin['path']}"
            batch.outcome(Outcome(item, "landed", entity=self._tar_name))

    # -- from disk ---------------------------------------------------------------------------------

    def land_disk(self, archives: Sequence[Path]) -> None:
        if not archives:
            self.refuse_archive(self._tar_name, InputError(
                "no_such_archive",
                f"{self._tar_name}: there is no {self._tar_name}{_TARBALL} below --source, and no "
                f"folder {self._tar_name}/SIZE/seed-N with checkpoints; check the path",
            ))  # fmt: skip
            return
        are_whole = True
        for path in archives:
            read = in_folder if path.is_dir() else in_tarball
            found = read(path, self._tar_name)
            are_whole &= self._land_archive(path.name, found, {"path": path.name})
        if are_whole:
            self._refuse_missed(archives[0].name)

    # -- both --------------------------------------------------------------------------------------

    def _land_archive(
        self,
        name: str,
        checkpoints: Iterator[Found | Refused],
        origin: dict[str, Any],
    ) -> bool:
        """Land the checkpoints of an archive; whether it could be read to its end."""
        is_whole = True
        try:
            with closing(Pipeline(name, self._read(checkpoints, origin))) as pipeline:
                for item in pipeline:
                    if isinstance(item, Done):
                        self._land_checkpoint(item)
                    else:
                        is_whole = is_whole and not isinstance(item.problem, ArchiveError)
                        self.refuse_archive(item.item, item.problem)
        finally:
            # Of what was read ahead in vain.
            self._zone.discard_unfinished(SOURCE, self._tar_name)
        return is_whole

    def _read(
        self, checkpoints: Iterator[Found | Refused], origin: dict[str, Any]
    ) -> Iterator[Callable[[], Read] | Refused]:
        """What is asked for and has not landed, to be unpacked; runs in the reading thread."""
        copies: dict[Checkpoint, Copy | None] = {}  # none where it had landed before
        for found in checkpoints:
            if isinstance(found, Refused):
                self._keep_refused(found)
                yield found
                continue
            checkpoint = found.checkpoint
            self._contents.held.add(checkpoint)
            if not self._request.has(checkpoint):
                continue
            if checkpoint in copies:
                first = copies[checkpoint]
                if first is None:
                    continue
                if first.is_whole.result():  # waits for it
                    yield from _difference(found, first)
                    continue
            missing = self._missing(checkpoint)
            if not missing:
                copies[checkpoint] = None
                self._summary.already_landed += 1
                continue
            arguments = {
                "command": "instances",
                "recipe": checkpoint.tar_name,
                "params": checkpoint.params,
                "seed": checkpoint.seed_number,
                "step": checkpoint.step,
                "tasks": None if len(missing) == len(all_tasks()) else sorted(missing),
                "from": origin,
            }
            copy = copies[checkpoint] = Copy()
            yield partial(self._unpack, found, copy, missing, arguments)

    def _keep_refused(self, refused: Refused) -> None:
        """For the calls after this one: which checkpoints a link or the like stands for."""
        for checkpoint in refused.checkpoints:
            self._contents.held.add(checkpoint)
            if missing := self._missing(checkpoint):
                self._contents.refuse(checkpoint, missing, refused.problem.reason)

    def _unpack(
        self, found: Found, copy: Copy, wanted: frozenset[str], arguments: dict[str, Any]
    ) -> Read:
        batch = self._zone.begin(SOURCE, arguments, scope=self._tar_name)
        try:
            unpacked = unpack(found, batch.folder, all_tasks(), wanted)
            self._check_complete(unpacked, wanted)
        except ArchiveError:
            batch.abandon()
            raise
        except InputError as problem:
            return Read(batch, found.checkpoint, copy, problem)
        except (OSError, MemoryError):  # of the zone, not of the archive
            raise
        except Exception as problem:
            why = unexpected(found.checkpoint.name, problem, InputError)
            return Read(batch, found.checkpoint, copy, why)
        copy.sha256 = unpacked.tarball_sha256
        return Read(batch, found.checkpoint, copy, unpacked)

    def _check_complete(self, unpacked: Unpacked, wanted: frozenset[str]) -> None:
        if missing := sorted(wanted - unpacked.tasks.keys()):
            names = ", ".join(missing[:_N_SUGGESTIONS])
            more = ", ..." if len(missing) > _N_SUGGESTIONS else ""
            raise InputError(
                "missing_tasks",
                f"{unpacked.checkpoint.name}: has no files of {len(missing)} of the {len(wanted)} "
                f"tasks asked for ({names}{more}); get it again from its publisher, or name those "
                "that it has with --task",
            )

    def _land_checkpoint(self, done: Done) -> None:
        batch, checkpoint = done.read.batch, done.read.checkpoint
        item = checkpoint.name
        if isinstance(done.result, InputError):
            self._refuse(batch, item, done.result)
            tasks = batch.manifest.arguments["tasks"] or all_tasks()
            self._contents.refuse(checkpoint, tasks, done.result.reason)
        else:
            converted, unpacked = done.result, done.read.content
            assert isinstance(unpacked, Unpacked)
            provenance = {"path": unpacked.path}
            for kind, path, rows in (
                ("tasks", converted.tasks, converted.n_tasks),
                ("questions", converted.questions, converted.n_questions),
            ):
                taken = batch.take(path, link=True)
                batch.adopt(
                    taken, kind, checkpoint.tar_name, None, name=path.name, rows=rows,
                    provenance=provenance, folders=checkpoint.folders,
                )  # fmt: skip
                self._summary.bytes += taken.bytes
            batch.outcome(
                Outcome(item, "landed", entity=self._tar_name, rows=converted.n_questions)
            )
            for task, why in unpacked.unknown.items():
                if not self._request.tasks:  # else it is none that was asked for
                    self._refuse(batch, f"{item}/{task}", why)
                self._contents.unknown_tasks.add((checkpoint, task))
            self._summary.checkpoints += 1
            self._summary.tasks += converted.n_tasks
            self._summary.questions += converted.n_questions
            self._landed.tasks.setdefault(checkpoint, set()).update(unpacked.tasks)
        batch.commit()
        self._report(item, self._summary.questions)

    def _refuse_missed(self, item: str) -> None:
        """Refuse a call for what the archives of a recipe do not have."""
        held = self._contents.held
        missed = self._request.missed(held)
        if not held:
            why = "has no checkpoint at all; get it again from its publisher"
        elif missed:
            why = f"has no checkpoint for {missed}; leave that out, or try another recipe"
        elif not any(map(self._request.has, held)):
            why = (
                "has no checkpoint with these options together; leave one out, or try another "
                "recipe"
            )
        else:
            return
        self.refuse_archive(item, InputError("no_such_checkpoint", f"{self._tar_name}: {why}"))

    def refuse_archive(self, item: str, problem: InputError) -> None:
        """Record why an archive, or something in it, has not landed."""
        arguments = {"command": "instances", "recipe": self._tar_name}
        with self._zone.batch(SOURCE, arguments, scope=self._tar_name) as batch:
            self._refuse(batch, item, problem)

    def _refuse(self, batch: Batch, item: str, problem: InputError) -> None:
        message = str(problem)
        batch.outcome(
            Outcome(item, "refused", problem.reason, message, problem.line, entity=self._tar_name)
        )
        self._summary.refused += 1
        self._summary.messages.append(message)


class Pipeline:
    """Reads in one thread and converts in two, and yields what is done in the order of reading."""

    def __init__(self, archive: str, steps: Iterator[Callable[[], Read] | Refused]) -> None:
        self._archive = archive
        self._steps = steps
        self._slots = threading.Semaphore(MAX_ON_DISK)
        self._is_over = threading.Event()
        self._results: queue.SimpleQueue[Future[Any] | None] = queue.SimpleQueue()
        # Each thread its own: memory that one thread frees does not serve another.
        self._mine = threading.local()
        self._converters: list[Converter] = []
        self._pool = ThreadPoolExecutor(CONVERTERS, "convert", self._begin)
        self._reader = threading.Thread(target=self._read, name="read", daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[Done | Refused]:
        while (future := self._results.get()) is not None:
            result = future.result()
            yield result
            if isinstance(result, Done):  # and committed
                self._slots.release()

    def close(self) -> None:
        """Stop, wherever it is."""
        self._is_over.set()
        self._reader.join()
        self._pool.shutdown(cancel_futures=True)
        for converter in self._converters:
            converter.close()

    def _begin(self) -> None:
        self._mine.converter = Converter()
        self._converters.append(self._mine.converter)

    def _read(self) -> None:
        try:
            for step in self._steps:
                if not callable(step):
                    self._tell(step)
                elif self._has_slot():
                    self._results.put(self._pool.submit(self._convert, step()))
                else:
                    return
        except ArchiveError as problem:
            self._tell(Refused(self._archive, problem))
        except (ExtractError, OSError, MemoryError) as problem:
            self._fail(problem)
        except Exception as problem:
            why = unexpected(self._archive, problem, ArchiveError)
            self._tell(Refused(self._archive, why))
        except BaseException as problem:
            self._fail(problem)
        finally:
            self._results.put(None)

    def _tell(self, refused: Refused) -> None:
        future: Future[Any] = Future()
        future.set_result(refused)
        self._results.put(future)

    def _fail(self, problem: BaseException) -> None:
        """To be raised where the results are used."""
        future: Future[Any] = Future()
        future.set_exception(problem)
        self._results.put(future)

    def _has_slot(self) -> bool:
        while not self._is_over.is_set():
            if self._slots.acquire(timeout=WAIT_S):
                return True
        return False

    def _convert(self, read: Read) -> Done:
        result: Converted | InputError | None = None
        try:
            result = (
                read.content if isinstance(read.content, InputError)
                else self._mine.converter.convert(read.content, read.batch.folder)
            )  # fmt: skip
        except InputError as problem:
            result = problem
        finally:
            read.copy.is_whole.set_result(isinstance(result, Converted))
            for path in read.batch.folder.glob("*.jsonl"):  # of one that is refused
                path.unlink()
        return Done(read, result)


def _difference(found: Found, first: Copy) -> Iterator[Refused]:
    """Tell of a copy that is not the one that lands; equal ones may be there."""
    found.content.skim()
    sha256 = found.content.sha256
    if first.sha256 and sha256 and sha256 != first.sha256:
        name = found.checkpoint.name
        yield Refused(name, InputError(
            "repeated_checkpoint",
            f"{name}: is in the archive twice, and the copies differ; the first lands (sha256 "
            f"{first.sha256[:8]}), the other does not ({sha256[:8]}, {found.path}); get the "
            "archive again from its publisher",
        ))  # fmt: skip


# -- names ----------------------------------------------------------------------------------------


def find_archives(
    folders: Sequence[Path], tar_names: Sequence[str], raw_dir: Path
) -> dict[str, list[Path]]:
    """The tarballs of recipes below the folders, and unpacked trees of them."""
    by_name = {name.lower(): name for name in tar_names}
    # By what they really are: folders may be named twice, or one below the other.
    tarballs: dict[str, dict[str, Path]] = {name: {} for name in tar_names}
    trees: dict[str, dict[str, Path]] = {name: {} for name in tar_names}

    def look(path: Path, is_folder: bool) -> bool:
        name = path.name.lower()
        if is_folder and name in by_name and any(path.glob("[!.]*/[Ss][Ee][Ee][Dd]-*")):
            trees[by_name[name]].setdefault(os.path.realpath(path), path)
            return True
        if not is_folder and name.endswith(_TARBALL) and name[: -len(_TARBALL)] in by_name:
            tarballs[by_name[name[: -len(_TARBALL)]]].setdefault(os.path.realpath(path), path)
        return False

    for folder in folders:
        # The name of `.` is not in its path.
        top = folder.resolve() if folder.is_dir() else folder
        if look(top, top.is_dir()):
            continue
        for above, below, files in os.walk(top):
            below[:] = [
                name for name in sorted(below)
                if not name.startswith(".") and Path(above, name).resolve() != raw_dir
                and not look(Path(above, name), True)
            ]  # fmt: skip
            for name in sorted(files):
                look(Path(above, name), False)
    return {name: [*tarballs[name].values(), *trees[name].values()] for name in tar_names}


def _listing() -> dict[str, HubFile] | InputError:
    """The files of the pinned commit, by their path in lower case."""
    try:
        return {file.path.lower(): file for file in hub.list_files(REPO_ID, REVISION)}
    except InputError as problem:
        return problem
