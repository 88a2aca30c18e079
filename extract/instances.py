"""`instances`: question-level results, from the Hugging Face hub or from files on disk.

A checkpoint of a recipe is one batch: all of its tasks that are asked for land, or none. A thread
reads them, two convert them (zlib and DuckDB let go of the interpreter), and the caller's commits
them. At most ``MAX_ON_DISK`` are unpacked at once, whatever the size of an archive.

Each recipe has its own lock, batches and downloads: two calls with two recipes, also on two
machines that share the zone, have nothing to do with each other.
"""

from __future__ import annotations

import csv
import difflib
import json
import os
import queue
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from extract import __version__
from extract import huggingface as hub
from extract.errors import InputError, UsageError
from extract.huggingface import HubFile
from extract.instances_archive import (
    ArchiveError,
    Checkpoint,
    Found,
    Unpacked,
    in_folder,
    in_tarball,
    unpack,
)
from extract.instances_convert import Converted, Converter
from extract.landing import Batch, LandingZone, Manifest, Outcome

SOURCE = "instances"
REPO_ID = "allenai/DataDecide-eval-instances"
REVISION = "23f3b2e186ca6c39026e3efa00e4af397680c075"
GB = 10**9
# One is read and two are converted: 0.2 GB of JSON.
MAX_ON_DISK = 3
# Each with a DuckDB of one thread: two that share one take 1.4 times the processor's time. Together
# they keep up with one that reads, on two cores.
CONVERTERS = 2
WAIT_S = 0.1
ALL = "all"
# Names of a suite that --task takes for all of its tasks.
SUITES = {"mmlu": ("mmlu",), "core_9mcqa": ("olmes",), "olmes_10_macro_avg": ("olmes", "mmlu")}
SEEDS_FOLDER = Path(__file__).resolve().parents[1] / "seeds"
_TARBALL = ".tar.gz"
_N_SUGGESTIONS = 3


@dataclass
class Summary:
    """What a call did; printed as one line of JSON.

    ``checkpoints``, ``tasks``, ``questions`` and ``bytes`` have landed in this call; ``refused``
    counts the checkpoints, tasks and archives, or parts of them, that have not.
    """

    checkpoints: int = 0
    already_landed: int = 0
    tasks: int = 0
    questions: int = 0
    bytes: int = 0
    downloaded_bytes: int = 0
    refused: int = 0
    messages: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        record = {name: value for name, value in vars(self).items() if name != "messages"}
        return json.dumps({"command": "instances"} | record)


@dataclass(frozen=True)
class Request:
    """What is asked for: recipes by their tar names, and parts of them; nothing named is all."""

    recipes: tuple[str, ...]
    params: frozenset[str] = frozenset()
    seeds: frozenset[int] = frozenset()
    steps: frozenset[int] = frozenset()
    tasks: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        recipes: Sequence[str],
        params: Sequence[str] = (),
        seeds: Sequence[str] = (),
        steps: Sequence[int] = (),
        tasks: Sequence[str] = (),
    ) -> Request:
        """From the arguments of the command."""
        known_sizes = {row["params"].upper(): row["params"] for row in _seed("model_size_registry")}
        return cls(
            tuple(dict.fromkeys(name for asked in recipes for name in _tar_names(asked))),
            frozenset(
                _known(known_sizes, size, size.upper(), "size", "--params") for size in params
            ),
            frozenset(_seed_number(seed) for seed in seeds),
            frozenset(steps),
            frozenset(name for asked in tasks for name in _task_names(asked)),
        )

    @property
    def wanted_tasks(self) -> frozenset[str]:
        return self.tasks or frozenset(all_tasks())

    def has(self, checkpoint: Checkpoint) -> bool:
        return (
            (not self.params or checkpoint.params in self.params)
            and (not self.seeds or checkpoint.seed_number in self.seeds)
            and (not self.steps or checkpoint.step in self.steps)
        )

    @property
    def filters(self) -> dict[str, list[Any]]:
        """The options, as a manifest keeps them."""
        return {name: sorted(getattr(self, name)) for name in ("params", "seeds", "steps", "tasks")}

    def is_within(self, filters: dict[str, list[Any]]) -> bool:
        """Whether all that is asked for was asked for by a call with these filters."""
        return all(
            not theirs or (ours and set(ours) <= set(theirs))
            for ours, theirs in ((self.filters[name], filters[name]) for name in self.filters)
        )

    def unmet(self, seen: Iterable[Checkpoint]) -> str:
        """The options that no checkpoint of an archive has met, as they would be typed."""
        seen = list(seen)
        options = (
            ("--params", self.params - {checkpoint.params for checkpoint in seen}),
            ("--seed", self.seeds - {checkpoint.seed_number for checkpoint in seen}),
            ("--step", self.steps - {checkpoint.step for checkpoint in seen}),
        )
        return ", ".join(f"{name} {value}" for name, values in options for value in sorted(values))


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


class Landed:
    """What the manifests say has landed of a recipe."""

    def __init__(self, zone: LandingZone, tar_name: str) -> None:
        self.tasks: dict[Checkpoint, set[str]] = {}
        self._finished: list[Manifest] = []
        for manifest in zone.manifests(SOURCE, tar_name):
            asked = manifest.arguments
            if "archive" in asked:
                self._finished.append(manifest)
            elif any(file.kind == "questions" for file in manifest.files):
                checkpoint = Checkpoint(tar_name, asked["params"], asked["seed"], asked["step"])
                self.tasks.setdefault(checkpoint, set()).update(asked["tasks"] or all_tasks())

    def finished(self, revision: str, request: Request) -> Manifest | None:
        """The end of an earlier call that has read the tarball for all that is asked for now.

        One that refused something counts for this version only: another one may take it.
        """
        for manifest in self._finished:
            asked = manifest.arguments
            if (
                asked["archive"]["revision"] == revision
                and request.is_within(asked["filters"])
                and (not asked["refused"] or manifest.tool_version == __version__)
            ):
                return manifest
        return None


@dataclass(frozen=True)
class Read:
    """A checkpoint that is unpacked into the folder of its batch, or why it is not."""

    batch: Batch
    checkpoint: Checkpoint
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
                if recipe.has_finished(REVISION):
                    recipe.tidy(keep_tarballs)
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
        self._seen: set[Checkpoint] = set()
        self._problems = 0

    # -- from the hub ------------------------------------------------------------------------------

    def has_finished(self, revision: str) -> bool:
        """Whether an earlier call has read the tarball of this commit to its end; tell of it."""
        manifest = self._landed.finished(revision, self._request)
        if manifest is not None:
            self._tell_of(manifest)
        return manifest is not None

    def _tell_of(self, manifest: Manifest) -> None:
        self._summary.already_landed += sum(
            self._request.has(checkpoint) for checkpoint in self._landed.tasks
        )
        if refused := manifest.arguments["refused"]:
            self._summary.refused += refused
            self._summary.messages.append(
                f"{self._tar_name}: {refused} of its checkpoints, or parts of them, were refused "
                f"by an earlier call ({manifest.finished_at}) of the same tarball; see "
                "staging.stg_instances__outcomes"
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
            self._refuse_unmet(path.name)
            self._finish(origin)
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

    def _finish(self, origin: dict[str, Any]) -> None:
        """Record that the tarball has been read to its end, so that it is not fetched again."""
        arguments = {
            "command": "instances", "recipe": self._tar_name, "archive": origin,
            "filters": self._request.filters, "refused": self._problems,
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
            self._refuse_unmet(archives[0].name)

    # -- both --------------------------------------------------------------------------------------

    def _land_archive(
        self,
        name: str,
        checkpoints: Iterator[Found | tuple[str, InputError]],
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
                        what, problem = item
                        is_whole = is_whole and not isinstance(problem, ArchiveError)
                        self.refuse_archive(what, problem)
        finally:
            # Of what was read ahead in vain.
            self._zone.discard_unfinished(SOURCE, self._tar_name)
        return is_whole

    def _read(
        self, checkpoints: Iterator[Found | tuple[str, InputError]], origin: dict[str, Any]
    ) -> Iterator[Callable[[], Read] | tuple[str, InputError]]:
        """What is asked for and has not landed, to be unpacked; runs in the reading thread."""
        # What is on its way: an archive may hold a checkpoint twice.
        taken: set[Checkpoint] = set()
        for found in checkpoints:
            if not isinstance(found, Found):
                yield found
                continue
            checkpoint = found.checkpoint
            self._seen.add(checkpoint)
            if checkpoint in taken or not self._request.has(checkpoint):
                continue
            taken.add(checkpoint)
            missing = self._request.wanted_tasks - self._landed.tasks.get(checkpoint, set())
            if not missing:
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
            yield partial(self._unpack, found, missing, arguments)

    def _unpack(self, found: Found, wanted: frozenset[str], arguments: dict[str, Any]) -> Read:
        batch = self._zone.begin(SOURCE, arguments, scope=self._tar_name)
        try:
            unpacked = unpack(found, batch.folder, all_tasks(), wanted)
            self._check_complete(unpacked, wanted)
        except ArchiveError:
            batch.abandon()
            raise
        except InputError as problem:
            return Read(batch, found.checkpoint, problem)
        return Read(batch, found.checkpoint, unpacked)

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
                self._refuse(batch, f"{item}/{task}", why)
            self._summary.checkpoints += 1
            self._summary.tasks += converted.n_tasks
            self._summary.questions += converted.n_questions
            self._landed.tasks.setdefault(checkpoint, set()).update(unpacked.tasks)
        batch.commit()
        self._report(item, self._summary.questions)

    def _refuse_unmet(self, item: str) -> None:
        """Refuse a call for what the archives of a recipe do not have."""
        unmet = self._request.unmet(self._seen)
        if unmet or not any(map(self._request.has, self._seen)):
            what = f"for {unmet}" if unmet else "with these options together"
            self.refuse_archive(item, InputError(
                "no_such_checkpoint",
                f"{self._tar_name}: has no checkpoint {what}; leave that out, or try another "
                "recipe",
            ))  # fmt: skip

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
        self._problems += 1
        self._summary.refused += 1
        self._summary.messages.append(message)


class Pipeline:
    """Reads in one thread and converts in two, and yields what is done in the order of reading."""

    def __init__(
        self, archive: str, steps: Iterator[Callable[[], Read] | tuple[str, InputError]]
    ) -> None:
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

    def __iter__(self) -> Iterator[Done | tuple[str, InputError]]:
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
            self._tell((self._archive, problem))
        except BaseException as problem:  # raised where the results are used
            failed: Future[Any] = Future()
            failed.set_exception(problem)
            self._results.put(failed)
        finally:
            self._results.put(None)

    def _tell(self, told: tuple[str, InputError]) -> None:
        future: Future[Any] = Future()
        future.set_result(told)
        self._results.put(future)

    def _has_slot(self) -> bool:
        while not self._is_over.is_set():
            if self._slots.acquire(timeout=WAIT_S):
                return True
        return False

    def _convert(self, read: Read) -> Done:
        try:
            if isinstance(read.content, InputError):
                return Done(read, read.content)
            return Done(read, self._mine.converter.convert(read.content, read.batch.folder))
        except InputError as problem:
            return Done(read, problem)
        finally:
            for path in read.batch.folder.glob("*.jsonl"):  # of one that is refused
                path.unlink()


# -- names ----------------------------------------------------------------------------------------


def find_archives(
    folders: Sequence[Path], tar_names: Sequence[str], raw_dir: Path
) -> dict[str, list[Path]]:
    """The tarballs of recipes below the folders, and unpacked trees of them."""
    by_name = {name.lower(): name for name in tar_names}
    tarballs: dict[str, list[Path]] = {name: [] for name in tar_names}
    trees: dict[str, list[Path]] = {name: [] for name in tar_names}

    def look(path: Path, is_folder: bool) -> bool:
        name = path.name.lower()
        if is_folder and name in by_name and any(path.glob("[!.]*/[Ss][Ee][Ee][Dd]-*")):
            trees[by_name[name]].append(path)
            return True
        if not is_folder and name.endswith(_TARBALL) and name[: -len(_TARBALL)] in by_name:
            tarballs[by_name[name[: -len(_TARBALL)]]].append(path)
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
    return {name: tarballs[name] + trees[name] for name in tar_names}


def all_tasks() -> tuple[str, ...]:
    """The 66 tasks of a checkpoint."""
    return _TASKS


def _listing() -> dict[str, HubFile] | InputError:
    """The files of the pinned commit, by their path in lower case."""
    try:
        return {file.path.lower(): file for file in hub.list_files(REPO_ID, REVISION)}
    except InputError as problem:
        return problem


def _seed(name: str) -> list[dict[str, str]]:
    with open(SEEDS_FOLDER / f"{name}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


_GROUPS = {row["task"]: row["task_group"] for row in _seed("task_registry")}
_TASKS = tuple(name for name, group in _GROUPS.items() if group in ("olmes", "mmlu"))


def _tar_names(asked: str) -> list[str]:
    rows = _seed("recipe_registry")
    if asked == ALL:
        return [row["tar_name"] for row in rows]
    known = {row[column].lower(): row["tar_name"] for column in ("recipe", "tar_name")
             for row in rows}  # fmt: skip
    names = {row[column].lower(): row[column] for column in ("recipe", "tar_name") for row in rows}
    if asked.lower() not in known:
        raise UsageError(
            f"{asked!r} is no recipe{_suggest(asked, names)}; all 25 are in "
            f"seeds/recipe_registry.csv (tar_name, recipe), and `{ALL}` means them all"
        )
    return [known[asked.lower()]]


def _task_names(asked: str) -> list[str]:
    if groups := SUITES.get(asked.lower()):
        return [name for name in _TASKS if _GROUPS[name] in groups]
    return [_known({name: name for name in _TASKS}, asked, asked.lower(), "task", "--task")]


def _seed_number(asked: str) -> int:
    """The number of a seed in these archives, or that of its label (2 is `default` here)."""
    numbers = {row["seed"]: row["instance_number"] for row in _seed("training_seeds")}
    if asked in numbers.values():
        return int(asked)
    label = " ".join(asked.lower().replace("_", " ").replace("-", " ").split())
    if label not in numbers:
        known = ", ".join(f"{number} ({name})" for name, number in numbers.items())
        raise UsageError(
            f"--seed {asked}: there is no such seed in these archives; they have {known}"
        )
    return int(numbers[label])


def _known(known: dict[str, str], asked: str, key: str, what: str, option: str) -> str:
    if key in known:
        return known[key]
    suggestion = _suggest(asked, {name.lower(): name for name in known.values()})
    raise UsageError(f"{option} {asked}: there is no such {what}{suggestion}")


def _suggest(asked: str, names: dict[str, str]) -> str:
    close = difflib.get_close_matches(asked.lower(), names, _N_SUGGESTIONS, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(names[name]) for name in close)}?" if close else ""
