"""`pretrain`: the published pretraining results, from the Hugging Face hub or from files on disk.

One dataset at one commit is one batch, so that no model ever sees a quarter of its files. A file
is of a commit and has a hash; what has landed of a commit is not asked for again, and a call for
pinned commits that have landed sends no request at all: the batch keeps the hub's listing.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from extract.errors import InputError, UsageError
from extract.huggingface import hub
from extract.huggingface import pretrain_tables as tables
from extract.huggingface.hub import HubFile
from extract.huggingface.pretrain_tables import Table
from extract.inputs import PARQUET_MAGIC, magic
from extract.landing.batch import Batch
from extract.landing.encoding import file_sha256
from extract.landing.manifest import LandedFile, Outcome, utc_now
from extract.landing.zone import LandingZone
from extract.summary import CallSummary

SOURCE = "huggingface"
GB = 10**9

_SPLIT = re.compile(r"(?:^|/)(?P<split>[a-z_]+)(?:-\d{5}-of-\d{5})?\.parquet")
_SHARD = re.compile(r"-(?P<number>\d{5})-of-(?P<count>\d{5})\.parquet$")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A published dataset: its tables by split, and the commit that lands unless told otherwise."""

    repo_id: str
    revision: str
    tables: Mapping[str, Table]

    @property
    def name(self) -> str:
        """Its folder in the landing zone."""
        return self.repo_id.partition("/")[2]

    def table_of(self, path: str) -> Table | None:
        """The table that a file of the repository is of, by its name."""
        found = _SPLIT.search(path)
        return self.tables.get(found["split"]) if found else None


DATASETS = (
    Dataset(
        "allenai/DataDecide-ppl-results",
        "c4a9fa360a0c8351e71f3ede04dd165995fab68c",
        {"train": tables.PPL},
    ),
    Dataset(
        "allenai/DataDecide-eval-results",
        "9919b5a0e61e57a85021263918fa82d6ceaee038",
        {
            "train": tables.EVALS,
            "macro_avg": tables.MACRO_AVG,
            "scaling_law_fit": tables.SCALING_LAW_FITS,
        },
    ),
)
ALL_TABLES = tuple(table for dataset in DATASETS for table in dataset.tables.values())
SPLITS = tuple(dict.fromkeys(split for dataset in DATASETS for split in dataset.tables))


@dataclass
class Summary(CallSummary):
    """What a call did; printed as one line of JSON.

    ``files``, ``rows`` and ``bytes`` have landed in this call; ``refused`` counts the files, and
    whole datasets, that are missing.
    """

    command = "pretrain"
    files: int = 0
    already_landed: int = 0
    rows: int = 0
    bytes: int = 0
    downloaded_bytes: int = 0
    refused: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """What is asked for: the tables of each dataset, and its revision where that is said."""

    wanted: Mapping[Dataset, Sequence[Table]]
    revisions: Mapping[Dataset, str]
    # The options that name something, each with the tables of which one must be there.
    named: Mapping[str, Sequence[Table | None]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, datasets: Sequence[str], splits: Sequence[str], revisions: Sequence[str]
    ) -> Request:
        """From the options of the command; all that there is where nothing is named."""
        named = {_dataset(name) for name in datasets} or set(DATASETS)
        for split in splits:
            if split not in SPLITS:
                raise UsageError(f"there is no split {split}; there are: {', '.join(SPLITS)}")
        wanted = {
            dataset: [
                table for split, table in dataset.tables.items() if not splits or split in splits
            ]
            for dataset in DATASETS
            if dataset in named
        }
        wanted = {dataset: tables for dataset, tables in wanted.items() if tables}
        if not wanted:
            raise UsageError(
                "the datasets that are named have none of the splits that are named; leave one out"
            )
        said: dict[Dataset, str] = {}
        for revision in revisions:
            name, separator, commit = revision.rpartition("=")
            if separator:
                said[_dataset(name)] = commit
                continue
            if len(wanted) > 1 and hub.COMMIT.fullmatch(commit.lower()):
                raise UsageError(
                    f"a commit is of one dataset: say --revision {DATASETS[0].name}={commit}, or "
                    "name the dataset with --dataset"
                )
            said |= dict.fromkeys(wanted, commit)
        if "" in said.values():
            raise UsageError("--revision is empty; leave it out for the pinned commit")
        must = {
            f"--split {split}": [dataset.tables.get(split) for dataset in wanted]
            for split in splits
        } | {f"--dataset {name}": wanted.get(_dataset(name), []) for name in datasets}
        return cls(wanted, said, must)

    def revision(self, dataset: Dataset) -> str:
        """The revision as it was asked for; commits in lower case, as the hub writes them."""
        asked = self.revisions.get(dataset, dataset.revision)
        return asked.lower() if hub.COMMIT.fullmatch(asked.lower()) else asked


def _dataset(name: str) -> Dataset:
    for dataset in DATASETS:
        if name in (dataset.repo_id, dataset.name, dataset.name.removeprefix("DataDecide-")):
            return dataset
    known = ", ".join(dataset.repo_id for dataset in DATASETS)
    raise UsageError(f"{name} is none of the datasets that this command lands; they are: {known}")


class Landed:
    """What the manifests say has landed, by commit and by content."""

    def __init__(self, zone: LandingZone) -> None:
        self.listings: dict[tuple[str, str], list[HubFile]] = {}
        self._by_sha256: dict[str, list[LandedFile]] = {}
        self._of_commits: set[tuple[str | None, str | None, str | None]] = set()
        for manifest in zone.manifests(SOURCE):
            asked = manifest.arguments
            if "files" in asked:
                commit = (asked["dataset"], asked["revision"])
                self.listings[commit] = [HubFile(*commit, **entry) for entry in asked["files"]]
            for entry in manifest.files:
                if entry.provenance is not None:
                    self._add(entry, entry.provenance)

    def _add(self, entry: LandedFile, origin: dict[str, Any]) -> None:
        self._by_sha256.setdefault(entry.sha256, []).append(entry)
        for mark in (entry.sha256, origin["path"]):
            self._of_commits.add((origin["repo_id"], origin["revision"], mark))

    def has(self, file: HubFile) -> bool:
        """Whether a file of the hub has landed as what it is of its commit."""
        of_commit = (file.repo_id, file.revision)
        return not self._of_commits.isdisjoint({(*of_commit, file.path), (*of_commit, file.sha256)})

    def same(self, sha256: str | None) -> Sequence[LandedFile]:
        """The files with this content, whatever they are of."""
        return self._by_sha256.get(sha256 or "", ())

    def listed(self, sha256: str) -> HubFile | None:
        """The file of the hub that has this content, if a listing has shown it."""
        files = (file for listing in self.listings.values() for file in listing)
        return next((file for file in files if file.sha256 == sha256), None)


@dataclass(frozen=True)
class FoundFile:
    """A file on disk; ``origin`` says which one of the hub it is, where that can be known."""

    path: Path
    sha256: str
    table: Table
    origin: HubFile | None


def land(
    zone: LandingZone,
    request: Request,
    *,
    max_gb: float,
    tell: Callable[[str], None] = lambda _message: None,
) -> Summary:
    """Land what is asked for from the hub; ``tell`` is told what is about to be downloaded."""
    summary = Summary()
    with zone.locked(SOURCE):
        landed = Landed(zone)
        allowance = int(max_gb * GB)
        for dataset in request.wanted:
            lander = _Lander(zone, request, landed, summary)
            allowance -= lander.land_dataset(dataset, allowance, tell)
    return summary


def land_source(zone: LandingZone, folders: Sequence[Path], request: Request) -> Summary:
    """Land what is asked for from files on disk, wherever below the folders they are."""
    for dataset in request.revisions:
        if not hub.COMMIT.fullmatch(request.revision(dataset)):
            raise UsageError(
                f"--revision {request.revision(dataset)}: with --source, say which commit the "
                "files are of by its 40 characters, or leave it out"
            )
    summary = Summary()
    with zone.locked(SOURCE):
        lander = _Lander(zone, request, Landed(zone), summary)
        lander.land_folders(folders, {"command": "pretrain", "source": True}, request.named)
    return summary


def find_files(folder: Path, raw_dir: Path) -> list[Path]:
    """The Parquet files below a folder, by name or by content; or the file itself."""
    # What has landed is no source; and a folder above the zone may be given.
    below = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    files = [path for path in below if path.is_file() and raw_dir not in path.resolve().parents]
    named = [path for path in files if path.suffix.lower() == ".parquet"]
    # The client's cache has each file under its name, and again under its hash.
    known = {path.resolve() for path in named}
    return named + [
        path for path in files if path.resolve() not in known and magic(path) == PARQUET_MAGIC
    ]


def missing_shards(paths: Iterable[Path], wanted: Iterable[Path]) -> Iterator[InputError]:
    """A table in several files, of which some are not there, would be a table with holes."""
    found: dict[tuple[Path, str, int], set[int]] = {}
    for path in paths:
        if shard := _SHARD.search(path.name):
            found.setdefault(_series(path, shard), set()).add(int(shard["number"]))
    asked = {_series(path, shard) for path in wanted if (shard := _SHARD.search(path.name))}
    for series, numbers in found.items():
        _, name, count = series
        missing = sorted(set(range(count)) - numbers)
        if missing and series in asked:
            yield InputError(
                "missing_shards",
                f"{name}: {len(missing)} of its {count} files are not there (the first is number "
                f"{missing[0]:05d}); the others have landed, fetch it and call again",
            )


def _series(path: Path, shard: re.Match[str]) -> tuple[Path, str, int]:
    return path.parent, path.name[: shard.start()], int(shard["count"])


class _Lander:
    """Lands files in batches and keeps account of them."""

    def __init__(
        self, zone: LandingZone, request: Request, landed: Landed, summary: Summary
    ) -> None:
        self._zone = zone
        self._request = request
        self._landed = landed
        self._summary = summary
        self._arrived: set[HubFile] = set()

    # -- from the hub ------------------------------------------------------------------------------

    def land_dataset(self, dataset: Dataset, allowance: int, tell: Callable[[str], None]) -> int:
        """Land one dataset; the number of bytes that it took from the allowance."""
        asked = self._request.revision(dataset)
        arguments: dict[str, Any] = {
            "command": "pretrain", "dataset": dataset.repo_id, "asked": asked,
        }  # fmt: skip
        listing = self._landed.listings.get((dataset.repo_id, asked), [])
        if self._is_complete(dataset, listing):
            self._tidy(dataset, asked, self._wanted(dataset, listing))
            return 0
        revision = None
        try:
            if hub.is_offline():
                self._land_cached(dataset, asked, arguments)
                return 0
            revision = hub.resolve(dataset.repo_id, asked)
            listing = [
                file for file in hub.list_files(dataset.repo_id, revision)
                if dataset.table_of(file.path)
            ]  # fmt: skip
            arguments |= {"revision": revision, "files": [_listed(file) for file in listing]}
            plan = self._plan(dataset, revision, listing, allowance)
        except InputError as problem:
            with self._zone.batch(SOURCE, arguments) as batch:
                self._refuse(batch, problem, dataset.repo_id, dataset, revision)
            if revision:
                self._tidy(dataset, revision)
            return 0
        if plan.bytes:
            tell(f"{dataset.repo_id} at {revision[:8]}: {plan} to download")
        if not plan.is_empty:
            with self._zone.batch(SOURCE, arguments) as batch:
                for item, problem in plan.problems:
                    self._refuse(batch, problem, item, dataset, revision)
                self._land_planned(batch, dataset, revision, plan)
        self._tidy(dataset, revision, self._wanted(dataset, listing))
        return plan.bytes

    def _plan(
        self, dataset: Dataset, revision: str, listing: Sequence[HubFile], allowance: int
    ) -> _Plan:
        """What of a commit has to land, and from where; refuse what is more than allowed."""
        plan = _Plan()
        files = self._wanted(dataset, listing)
        for table in self._request.wanted[dataset]:
            if not any(dataset.table_of(file.path) is table for file in files):
                plan.problems.append((dataset.repo_id, _no_such_table(dataset, table, revision)))
        folder = self._downloads(dataset, revision)
        for file in files:
            if self._landed.has(file):
                self._summary.already_landed += 1
            elif same := self._on_disk(file):
                plan.to_link.append((file, same))
            else:
                try:
                    plan.to_fetch[file] = hub.bytes_to_fetch(file, folder)
                except InputError as problem:
                    plan.problems.append((file.name, problem))
        if plan.bytes > allowance:
            raise InputError(
                "too_large",
                f"{dataset.repo_id}: {plan.bytes / GB:.3g} GB to download at {revision[:8]}, more "
                f"than is left of --max-gb: pass --max-gb {plan.bytes / GB + 0.1:.1f} or more, or "
                "choose with --split",
            )
        free = shutil.disk_usage(self._zone.root).free
        if plan.bytes > free:
            why = f"{plan.bytes / GB:.3g} GB to download, {free / GB:.3g} GB free"
            raise hub.disk_full(dataset.repo_id, why)
        return plan

    def _land_planned(self, batch: Batch, dataset: Dataset, revision: str, plan: _Plan) -> None:
        """Land what is on disk already and what arrives."""
        fetched = hub.fetch(plan.to_fetch, self._downloads(dataset, revision))
        for file, found in itertools.chain(plan.to_link, fetched):
            table = dataset.table_of(file.path)
            assert table is not None
            try:
                if isinstance(found, InputError):
                    raise found
                self._summary.downloaded_bytes += plan.to_fetch.get(file, 0)
                self._adopt(batch, table, found, file, file.name, link=True)
                self._arrived.add(file)
            except InputError as problem:
                self._refuse(batch, problem, file.name, dataset, revision)

    def _wanted(self, dataset: Dataset, listing: Iterable[HubFile]) -> list[HubFile]:
        wanted = self._request.wanted[dataset]
        return [file for file in listing if dataset.table_of(file.path) in wanted]

    def _is_complete(self, dataset: Dataset, listing: Sequence[HubFile]) -> bool:
        """Whether all that is asked for of a commit has landed, going by the kept listing."""
        files = self._wanted(dataset, listing)
        kinds = {dataset.table_of(file.path) for file in files}
        if kinds != set(self._request.wanted[dataset]) or not all(map(self._landed.has, files)):
            return False
        self._summary.already_landed += len(files)
        return True

    def _on_disk(self, file: HubFile) -> Path | None:
        """A landed file with the same content: a new commit seldom changes all files."""
        for entry in self._landed.same(file.sha256):
            path = self._zone.root / entry.path
            if path.is_file() and file_sha256(path) == file.sha256:
                return path
        return None

    def _downloads(self, dataset: Dataset, revision: str) -> Path:
        return self._zone.downloads(SOURCE) / dataset.name / revision

    def _tidy(self, dataset: Dataset, revision: str, wanted: Sequence[HubFile] = ()) -> None:
        """Remove downloads that have landed; when all have, also those of other commits."""
        ours = self._downloads(dataset, revision)
        landed = [file for file in wanted if file in self._arrived or self._landed.has(file)]
        for file in landed:
            (ours / file.path).unlink(missing_ok=True)
        for folder in ours.parent.glob("*"):
            is_done = landed == wanted if folder != ours else not any(ours.rglob("*.parquet"))
            if is_done and (wanted or folder == ours):
                hub.forget(folder)

    # -- from disk ---------------------------------------------------------------------------------

    def _land_cached(self, dataset: Dataset, asked: str, arguments: dict[str, Any]) -> None:
        """Without a network, land what the client's own cache has of a dataset."""
        folder = hub.cached_snapshot(dataset.repo_id, asked)
        if folder is None:
            raise InputError(
                "offline",
                f"{dataset.repo_id}: has not landed at {asked[:8]} and is not in the client's "
                "cache, and HF_HUB_OFFLINE forbids requests: unset it, or land files that you "
                "have with --source DIR",
            )
        wanted = self._request.wanted[dataset]
        demanded = {f"{dataset.repo_id}, {table.kind}": [table] for table in wanted}
        self.land_folders([folder], arguments, demanded)

    def land_folders(
        self,
        folders: Sequence[Path],
        arguments: dict[str, Any],
        demanded: Mapping[str, Sequence[Table | None]],
    ) -> None:
        """Land the files below the folders in one batch; there must be some of all demanded."""
        problems: list[tuple[str, InputError, Path | None]] = []
        paths: list[Path] = []
        for folder in folders:
            below = find_files(folder, self._zone.root.resolve())
            paths += below
            if not below:
                why = "holds no Parquet file" if folder.exists() else "does not exist"
                problem = InputError("no_parquet", f"--source: {why}; check the path")
                problems.append(("--source", problem, folder))
        files: list[FoundFile] = []
        for path in paths:
            try:
                files.append(self._examine(path))
            except InputError as problem:
                problems.append((path.name, problem, path))
        wanted: dict[Path, Table] = {}
        fresh: dict[tuple[str, str], FoundFile] = {}
        # Of copies, the one that says what it is of comes first.
        for file in sorted(files, key=lambda file: file.origin is None):
            if file.table not in self._request.wanted.get(_dataset_of(file.table), ()):
                continue
            wanted[file.path] = file.table
            revision = file.origin.revision if file.origin else ""
            is_copy = any(file.sha256 == sha256 for sha256, _ in fresh) and not file.origin
            if self._has_landed(file):
                self._summary.already_landed += 1
            elif not is_copy:
                fresh.setdefault((file.sha256, revision), file)
        problems += [
            (str(problem).partition(":")[0], problem, None)
            for problem in missing_shards(paths, wanted)
        ]
        for what, any_of in demanded.items():
            if not set(any_of) & set(wanted.values()):
                problem = InputError("no_such_split", f"{what}: no file of it is there; {_FIND}")
                problems.append((what, problem, None))
        if not (problems or fresh):
            return
        with self._zone.batch(SOURCE, arguments) as batch:
            for file in fresh.values():
                try:
                    self._land_found(batch, file)
                except InputError as problem:
                    problems.append((file.path.name, problem, file.path))
            for item, problem, path in problems:
                self._refuse(batch, problem, item, shown=path)

    def _examine(self, path: Path) -> FoundFile:
        """What a file is; refuse one that is nothing."""
        try:
            sha256 = file_sha256(path)
            origin = hub.origin_of(path) or self._landed.listed(sha256)
            if same := self._landed.same(sha256):
                table = next(table for table in ALL_TABLES if table.kind == same[0].kind)
            else:
                table = tables.recognise(path, path.name)
        except OSError as problem:
            why = f"{path.name}: cannot be read ({problem.strerror}); check its permissions"
            raise InputError("unreadable", why) from None
        return FoundFile(path, sha256, table, origin)

    def _land_found(self, batch: Batch, found: FoundFile) -> None:
        name = found.path.name
        dataset = _dataset_of(found.table)
        origin = found.origin
        if origin and origin.repo_id not in ("", dataset.repo_id):
            origin = None  # of a fork, whose commits are others
        if origin is None and dataset in self._request.revisions:
            origin = self._said(name, dataset)
        if origin is None:
            origin = HubFile(dataset.repo_id, "", name, 0, None)
        self._adopt(
            batch, found.table, found.path, replace(origin, repo_id=dataset.repo_id), name,
            link=False,
        )  # fmt: skip

    def _said(self, name: str, dataset: Dataset) -> HubFile:
        """A file of the commit that --revision names; its hash, where a listing has shown it."""
        revision = self._request.revision(dataset)
        for file in self._landed.listings.get((dataset.repo_id, revision), ()):
            if file.path.rpartition("/")[2] == name:
                return file
        return HubFile(dataset.repo_id, revision, name, 0, None)

    def _has_landed(self, found: FoundFile) -> Sequence[LandedFile]:
        """Landed files with this content, of this commit where it is known."""
        if found.origin:
            revisions = {found.origin.revision}
        else:
            revisions = {self._request.revision(dataset) for dataset in self._request.revisions}
        return [
            entry for entry in self._landed.same(found.sha256)
            if not revisions or (entry.provenance or {})["revision"] in revisions
        ]  # fmt: skip

    # -- both --------------------------------------------------------------------------------------

    def _adopt(
        self,
        batch: Batch,
        table: Table,
        path: Path,
        origin: HubFile,
        item: str,
        *,
        link: bool,
    ) -> None:
        """Land one file that is what it should be."""
        try:
            taken = batch.take(path, link=link)
        except OSError as problem:
            if hub.is_disk_full(problem):
                raise hub.disk_full(item, problem.strerror) from None
            raise
        try:
            if origin.sha256 and origin.sha256 != taken.sha256:
                raise hub.checksum_mismatch(item, f"the hub's at {origin.revision[:8]}")
            is_known = origin.sha256 or origin.git_sha1
            rows = tables.inspect(taken.path, table, item, whole=not is_known)
        except InputError:
            taken.path.unlink()
            raise
        dataset, revision = _dataset_of(table), origin.revision or None
        name = path.name if path.suffix == ".parquet" else f"{path.name}.parquet"
        batch.adopt(
            taken, table.kind, dataset.name, revision, name=name, rows=rows,
            provenance={
                "repo_id": origin.repo_id,
                "revision": revision,
                "path": origin.path,
                "size": taken.bytes,
                "sha256": taken.sha256,
                "fetched_at": utc_now(),
            },
        )  # fmt: skip
        batch.outcome(Outcome(item, "landed", entity=dataset.name, project=revision, rows=rows))
        self._summary.files += 1
        self._summary.rows += rows
        self._summary.bytes += taken.bytes

    def _refuse(
        self,
        batch: Batch,
        problem: InputError,
        item: str,
        dataset: Dataset | None = None,
        revision: str | None = None,
        *,
        shown: Path | None = None,
    ) -> None:
        """Record what is missing; only the terminal is told the folder of a file on disk."""
        message = str(problem)
        batch.outcome(
            Outcome(
                item, "refused", problem.reason, message,
                entity=dataset.name if dataset else None, project=revision,
            )
        )  # fmt: skip
        self._summary.refused += 1
        self._summary.messages.append(message.replace(item, str(shown), 1) if shown else message)


@dataclass
class _Plan:
    """What of a dataset lands in this call."""

    to_link: list[tuple[HubFile, Path]] = field(default_factory=list)
    to_fetch: dict[HubFile, int] = field(default_factory=dict)  # with the bytes to transfer
    problems: list[tuple[str, InputError]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(self.to_fetch.values())

    def __str__(self) -> str:
        count = sum(size > 0 for size in self.to_fetch.values())
        size = f"{self.bytes / GB:.2f} GB" if self.bytes >= GB / 100 else f"{self.bytes:,} B"
        return f"{count} file{'' if count == 1 else 's'}, {size}"

    @property
    def is_empty(self) -> bool:
        return not (self.to_link or self.to_fetch or self.problems)


_FIND = "add the folder that holds it, or do not ask for it"


def _no_such_table(dataset: Dataset, table: Table, revision: str) -> InputError:
    split = next(split for split, known in dataset.tables.items() if known is table)
    return InputError(
        "no_such_split",
        f"{dataset.repo_id}: has no split {split} at {revision[:8]}; land another --revision, or "
        "leave it out with --split",
    )


def _listed(file: HubFile) -> dict[str, Any]:
    """What a manifest keeps of a file of the hub's listing."""
    return {key: value for key, value in asdict(file).items() if key not in ("repo_id", "revision")}


def _dataset_of(table: Table) -> Dataset:
    return next(dataset for dataset in DATASETS if table in dataset.tables.values())
