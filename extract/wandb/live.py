"""`wandb`: from the W&B API into the landing zone.

One thread lists the runs, decides what each of them needs, and writes; workers read what costs
requests of its own. A history is collected apart and lands when all of it has come, so a batch
never holds a part of one. Batches are committed every few seconds: what had landed when a call was
killed, the next one does not fetch again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from extract.landing.batch import Batch
from extract.landing.encoding import dump_json
from extract.landing.manifest import Outcome
from extract.landing.privacy import Pseudonymiser
from extract.landing.section import Section
from extract.landing.zone import LandingZone, landed_batches
from extract.wandb.client import (
    IDS_PER_QUERY,
    Client,
    ListedRun,
    RequestError,
    Selection,
    UnreadableRun,
    chunks,
    redacted,
    repeated,
)
from extract.wandb.files import SOURCE
from extract.wandb.history import HistoryCollector, RewrittenError
from extract.wandb.ledger import HistoryProgress, KnownRun, Ledger
from extract.wandb.plan import (
    Needs,
    Options,
    keys_to_fetch,
    listed_progress,
    needs,
    window_to_fetch,
)
from extract.wandb.pool import Beat, Pool, StalledError
from extract.wandb.records import run_line
from extract.wandb.summary import ProjectSummary, Status, Summary

# What a kill may cost; a batch a second would be a manifest a second to read ever after.
CHECKPOINT_S = 10.0
# Runs that wait or are being read, for each worker: enough to keep it busy while the next page of
# the listing is on its way.
PENDING_PER_WORKER = 4
WAIT_S = 0.5
ROWS_PER_BEAT = 1000
# A page of so many values takes about 300 MB here, and as much again in wandb-core.
MAX_ONE_PAGE_VALUES = 1_000_000
# More tombstones than this, and more than half of a project, are not believed at once.
MANY_DELETIONS = 10
SUGGESTIONS = 15


@dataclass(frozen=True)
class _Job:
    """One run, and what is to be fetched of it."""

    listed: ListedRun
    fields: dict[str, Any]
    listed_sha256: str
    known: KnownRun
    needs: Needs

    @property
    def run_id(self) -> str:
        return self.fields["run_id"]


@dataclass
class _Fetched:
    """What a worker brought back of a run; ``failures`` by item, the other items are whole."""

    metadata: dict[str, Any] | None = None
    is_metadata_read: bool = False  # also where W&B has none
    section: Section | None = None
    progress: HistoryProgress | None = None
    failures: dict[str, RequestError] = field(default_factory=dict)


_History = tuple[Section, HistoryProgress]


class _StoppedError(Exception):
    """Too many failures: the service is down, not a run poisoned."""


class Checkpoints:
    """The batch that is being written: committed now and then, begun when first needed."""

    def __init__(self, zone: LandingZone, arguments: dict[str, Any], key_id: str | None) -> None:
        self._zone = zone
        self._arguments = arguments
        self._key_id = key_id
        self._batch: Batch | None = None
        self._began = 0.0
        self.lines = 0

    @property
    def batch(self) -> Batch:
        if self._batch is None:
            self._began = time.monotonic()
            self.lines = 0
            self._batch = self._zone.begin(SOURCE, self._arguments, pseudonym_key_id=self._key_id)
        return self._batch

    def commit(self, *, if_older_than_s: float = 0.0) -> None:
        if self._batch and time.monotonic() - self._began >= if_older_than_s:
            self._batch.commit()
            self._batch = None

    def abandon(self) -> None:
        if self._batch:
            self._batch.abandon()


class Call:
    """One call of `wandb`."""

    def __init__(
        self,
        zone: LandingZone,
        client: Client,
        pseudonymiser: Pseudonymiser,
        options: Options,
        report: Callable[[Status], None] = lambda _status: None,
    ) -> None:
        self._zone = zone
        self._client = client
        self._pseudonymiser = pseudonymiser
        self._options = options
        self._report = report
        self._summary = Summary(client.host, options.dry_run)
        self._failures_in_a_row = 0
        self._first_read: dict[str, _History] = {}  # by run: what a second reading may not lose

    def run(self, projects: Sequence[tuple[str, str]]) -> Summary:
        """Land every project; one that cannot be read does not keep the others from landing."""
        began = time.monotonic()
        if self._options.dry_run:
            self._run(projects)
        else:
            with self._zone.locked(SOURCE):
                self._run(projects)
        self._summary.seconds = time.monotonic() - began
        return self._summary

    def _run(self, projects: Sequence[tuple[str, str]]) -> None:
        self._ledger = Ledger(self._zone, landed_batches(self._zone, SOURCE, self._pseudonymiser))
        arguments = {"command": "wandb", "projects": ["/".join(project) for project in projects]}
        arguments |= {"host": self._client.host, "wandb_version": self._client.version}
        arguments |= {name: value for name, value in asdict(self._options).items() if value}
        self._landed = Checkpoints(self._zone, arguments, self._pseudonymiser.key_id)
        self._pool = Pool(
            self._fetch, workers=self._options.workers, deadline_s=self._options.deadline_s
        )
        try:
            for entity, project in projects:
                self._land_project(entity, project)
            self._landed.commit()
        except (KeyboardInterrupt, _StoppedError) as stop:
            self._landed.commit()  # all that is in it is whole
            if isinstance(stop, KeyboardInterrupt):
                raise
        except BaseException:
            self._landed.abandon()
            raise
        finally:
            self._pool.close()

    # -- one project ------------------------------------------------------------------------------

    def _land_project(self, entity: str, project: str) -> None:
        self._entity, self._project = entity, project
        self._counts = ProjectSummary(f"{entity}/{project}")
        self._summary.projects.append(self._counts)
        self._known = self._ledger.project(entity, project)
        self._suspects: set[str] = set()
        self._unreadable: set[str] = set()
        listed: set[str] = set()
        is_complete = False
        try:
            for run in self._listing():
                listed.add(run.record.fields["run_id"])
                self._consider(run)
            is_complete = self._options.is_everything
        except RequestError as problem:
            self._refuse_project(problem)
        while self._pool.pending:
            self._collect(WAIT_S)
        try:
            missing = set(self._known) - listed - self._unreadable if is_complete else set()
            self._bury(missing | self._suspects)
        except RequestError as problem:
            self._refuse_project(problem)
        if is_complete and not self._options.dry_run:
            self._outcome("listing", "landed", rows=len(listed))

    def _listing(self) -> Iterator[ListedRun]:
        """The runs to look at: those that are selected, and with `since` also the known ones."""
        options = self._options
        selection = options.selection
        if options.since:
            selection = replace(selection, created_from=options.since)
        seen: set[str] = set()
        for run in self._readable(selection, seen):
            yield run
            if options.limit and len(seen) >= options.limit:
                return
        if options.since:
            yield from self._by_id(set(self._known) - seen)

    def _by_id(self, run_ids: Iterable[str]) -> Iterator[ListedRun]:
        for ids in chunks(sorted(run_ids), IDS_PER_QUERY):
            yield from self._readable(Selection(run_ids=ids), set())

    def _readable(self, selection: Selection, seen: set[str]) -> Iterator[ListedRun]:
        """The runs that the client can read; the others are told by name, and are not missing."""
        for run in self._client.runs(self._entity, self._project, selection):
            if isinstance(run, UnreadableRun):
                seen.add(run.run_id)
                self._unreadable.add(run.run_id)
                self._refuse(run.problem, "run", run.run_id)
            else:
                seen.add(run.record.fields["run_id"])
                yield run

    def _consider(self, listed: ListedRun) -> None:
        """Decide what a listed run needs, and have it fetched."""
        fields = self._pseudonymiser.run(listed.record.fields)
        digest = hashlib.sha256(dump_json(fields, sort_keys=True)).hexdigest()
        known = self._known.get(fields["run_id"])
        need = needs(listed, digest, known, self._options)
        self._counts.listed += 1
        if need.snapshot in ("new", "changed"):
            setattr(self._counts, need.snapshot, getattr(self._counts, need.snapshot) + 1)
        else:
            self._counts.unchanged += 1
        self._counts.histories += need.history is not None
        job = _Job(listed, fields, digest, known or KnownRun(), need)
        if self._options.dry_run:
            self._tell(job)
        elif need.metadata or need.history:
            self._pool.submit(job)
            self._collect(0.0)
            while self._pool.pending >= PENDING_PER_WORKER * self._options.workers:
                self._collect(WAIT_S)
        elif need:
            self._land(job, _Fetched())
        self._watch()

    def _tell(self, job: _Job) -> None:
        """What a dry run says of a run that it would fetch."""
        if job.needs:
            wanted = {
                "snapshot": job.needs.snapshot,
                "metadata": "yes" if job.needs.metadata else None,
                "history": job.needs.history,
            }
            what = ", ".join(f"{name}: {value}" for name, value in wanted.items() if value)
            self._summary.messages.append(f"would fetch {self._path(job.run_id)} ({what})")

    def _path(self, run_id: str) -> str:
        return f"{self._entity}/{self._project}/{run_id}"

    def _watch(self) -> None:
        self._report(
            Status(
                project=self._counts.project,
                total=self._client.total,
                done=self._counts.listed - self._pool.pending,
                rows=self._counts.history_rows,
                waiting_for=self._pool.waiting_for(),
            )
        )

    # -- what workers do --------------------------------------------------------------------------

    def _fetch(self, job: _Job, beat: Beat) -> _Fetched:
        fetched = _Fetched()

        def metadata() -> dict[str, Any] | None:
            beat(f"metadata of {job.run_id}")
            return self._client.metadata(job.listed)

        def history() -> tuple[Section, HistoryProgress]:
            beat(f"history of {job.run_id}")
            return self._history(job, beat)

        if job.needs.metadata:
            try:
                fetched.metadata = repeated(metadata)
                fetched.is_metadata_read = True
            except RequestError as problem:
                fetched.failures["metadata"] = problem
        if job.needs.history:
            try:
                fetched.section, fetched.progress = repeated(history)
            except RequestError as problem:
                fetched.failures["history"] = problem
        return fetched

    def _history(self, job: _Job, beat: Beat) -> _History:
        """The tail of a history where it has only grown, else all of it.

        What has been read is kept until another way of reading has brought more: that may be
        refused, or give less.
        """
        landed = job.known.history
        if job.needs.history == "tail" and landed and landed.last_step is not None:
            try:
                best = self._collected(job, beat, landed)
                if not best[1].is_short:
                    return best
                best = self._more(job, best, lambda: self._collected(job, beat, None))
            except RewrittenError:
                best = self._collected(job, beat, None)
        else:
            best = self._collected(job, beat, None)
        n_values = (job.listed.history_line_count or 0) * (job.listed.n_history_keys + 3)
        if best[1].is_short and n_values <= MAX_ONE_PAGE_VALUES:
            # Where steps go back, wandb-core loses rows of parquet exports between two pages.
            best = self._more(job, best, lambda: self._collected(job, beat, None, one_page=True))
        return best

    def _more(self, job: _Job, first: _History, read: Callable[[], _History]) -> _History:
        """The fuller of two readings; the first one also where the second fails, or stalls."""
        self._first_read[job.run_id] = first
        try:
            second = read()
        except RequestError:
            return first
        finally:
            self._first_read.pop(job.run_id, None)
        best, other = (second, first) if second[1].n_rows >= first[1].n_rows else (first, second)
        other[0].close()
        return best

    def _collected(
        self, job: _Job, beat: Beat, landed: HistoryProgress | None, *, one_page: bool = False
    ) -> tuple[Section, HistoryProgress]:
        options = self._options
        keys = keys_to_fetch(job.known.history, options)
        section = self._zone.section()
        collector = HistoryCollector(
            section, job.run_id, self._pseudonymiser, keys=keys, landed=landed
        )
        min_step, max_step = window_to_fetch(job.known.history, options)
        rows = self._client.history(
            job.listed,
            landed.last_step if landed else min_step or 0,
            max_step,
            one_page=one_page,
        )
        for number, row in enumerate(rows):
            if number % ROWS_PER_BEAT == 0:
                beat(f"history of {job.run_id}")
            collector.add(row)
        heartbeat, line_count, last_step = listed_progress(job.listed)
        is_window = (min_step, max_step) != (None, None)
        progress = HistoryProgress(
            replaces_earlier=landed is None
            and not is_window
            and (keys is None or job.known.history is not None),
            n_rows=(landed.n_rows if landed else 0) + section.rows,
            last_step=collector.last_step,
            last_rows=collector.last_rows(),
            keys=keys,
            min_step=min_step,
            max_step=max_step,
            heartbeat_at=heartbeat,
            listed_line_count=line_count,
            listed_last_step=last_step,
        )
        is_all = keys is None and not is_window
        if is_all and progress.n_rows < (line_count or 0):
            progress = replace(progress, is_short=True)
        return section, progress

    # -- what comes back --------------------------------------------------------------------------

    def _collect(self, wait_s: float) -> None:
        """Land what the workers have finished."""
        for job, result in self._pool.results(wait_s):
            if isinstance(result, StalledError) and (
                first := self._first_read.pop(job.run_id, None)
            ):
                result = _Fetched(section=first[0], progress=first[1])
            elif isinstance(result, StalledError):
                item = "history" if job.needs.history else "metadata"
                result = _Fetched(failures={item: RequestError("deadline", str(result))})
            elif isinstance(result, RequestError):
                result = _Fetched(failures={"run": result})
            elif isinstance(result, BaseException):
                raise result
            self._land(job, result)
        self._landed.commit(if_older_than_s=CHECKPOINT_S)
        self._watch()

    def _land(self, job: _Job, fetched: _Fetched) -> None:
        if job.known.is_deleted:
            self._outcome("run", "restored", job.run_id)
            self._counts.restored += 1
        if job.needs.snapshot:
            self._land_snapshot(job, fetched)
        if fetched.section and fetched.progress:
            self._land_history(job, fetched.section, fetched.progress)
        if fetched.failures and self._is_gone(job.run_id, fetched.failures.values()):
            self._suspects.add(job.run_id)
            return
        for item, problem in fetched.failures.items():
            self._refuse(problem, item, job.run_id)
        if fetched.failures:
            self._summary.quarantined.append(self._path(job.run_id))
            self._failures_in_a_row += 1
            if self._failures_in_a_row >= self._options.max_failures:
                self._stop()
        elif job.needs.metadata or job.needs.history:
            self._failures_in_a_row = 0

    def _is_gone(self, run_id: str, problems: Iterable[RequestError]) -> bool:
        """Whether a run has been deleted since it was listed, which is no failure."""
        if not all(one.reason == "not_found" or not one.is_final for one in problems):
            return False  # W&B said something else, or nothing: it need not be asked once more
        try:
            return not self._client.existing(self._entity, self._project, [run_id])
        except RequestError:
            return False

    def _land_snapshot(self, job: _Job, fetched: _Fetched) -> None:
        fields = job.fields
        if fetched.metadata is not None:
            # Once more with the metadata: it says which names are personal.
            record = job.listed.record.fields | {"wandb_metadata": fetched.metadata}
            fields = self._pseudonymiser.run(record)
        batch = self._landed.batch
        self._landed.lines += 1
        line = run_line(fields, self._landed.lines, job.listed.record.exported_at)
        batch.write("runs", self._entity, self._project, line)
        progress = {"listed_sha256": job.listed_sha256, "has_metadata": fetched.is_metadata_read}
        self._outcome("run", "landed", job.run_id, rows=1, progress=progress)
        self._counts.runs += 1

    def _land_history(self, job: _Job, section: Section, progress: HistoryProgress) -> None:
        rows = section.rows
        if rows:
            self._landed.batch.append("history", self._entity, self._project, section)
        section.close()
        if progress.is_short:
            self._counts.short_histories += 1
            counted = progress.listed_line_count
            self._message(
                f"{self._path(job.run_id)}: W&B counts {counted} history rows and gives "
                f"{progress.n_rows}; they have landed, and are asked for again"
            )
            if not progress.n_rows:
                self._suspects.add(job.run_id)
        # An unfinished run without news would otherwise leave an outcome at every call.
        known = job.known.history
        is_news = known is None or known != replace(
            progress, replaces_earlier=known.replaces_earlier
        )
        if rows or is_news or "history" in job.known.refused:
            record = asdict(progress)
            self._outcome("history", "landed", job.run_id, rows=rows, progress=record)
        self._counts.history_rows += rows

    def _bury(self, missing: set[str]) -> None:
        """Mark the runs that W&B does not have any more; what has landed of them stays."""
        missing = {run_id for run_id in missing if not self._known_run(run_id).is_deleted}
        if not missing:
            return
        # A run that moved across the border of two pages was listed on neither.
        existing = self._client.existing(self._entity, self._project, missing)
        for run in self._by_id(existing - self._suspects):
            self._consider(run)
        while self._pool.pending:
            self._collect(WAIT_S)
        gone = missing - existing
        is_many = len(gone) > MANY_DELETIONS and len(gone) > len(self._known) / 2
        if is_many and not self._options.accept_deletions:
            raise RequestError(
                "many_deletions",
                f"W&B lists {self._counts.listed} runs of {self._entity}/{self._project} and lacks "
                f"{len(gone)} of the {len(self._known)} known ones; if they were deleted, call "
                "again with --accept-deletions",
            )
        self._counts.deleted += len(gone)
        for run_id in sorted(gone):
            if self._options.dry_run:
                self._message(f"gone from W&B: {self._path(run_id)}")
            else:
                seen = self._known_run(run_id).seen_at
                self._outcome("run", "deleted", run_id, progress={"last_seen_at": seen})

    def _known_run(self, run_id: str) -> KnownRun:
        return self._known.get(run_id) or KnownRun()

    # -- outcomes ---------------------------------------------------------------------------------

    def _outcome(self, item: str, status: str, run_id: str | None = None, **fields: Any) -> None:
        self._landed.batch.outcome(
            Outcome(
                item, status, entity=self._entity, project=self._project, run_id=run_id, **fields
            )
        )

    def _refuse(self, problem: RequestError, item: str, run_id: str | None = None) -> None:
        self._counts.refused += 1
        where = self._path(run_id) if run_id else f"{self._entity}/{self._project}"
        message = redacted(f"{where}: {problem}")
        self._message(f"refused: {message}")
        if not self._options.dry_run:
            text = self._pseudonymiser.text(message)
            self._outcome(item, "refused", run_id, reason=problem.reason, message=text)

    def _refuse_project(self, problem: RequestError) -> None:
        if problem.reason == "not_found":
            problem = RequestError("not_found", self._no_project())
        self._refuse(problem, "listing")

    def _no_project(self) -> str:
        names = self._client.projects(self._entity)
        if not names:
            return (
                f"no such project; no project of {self._entity} can be seen with these credentials"
            )
        close = [name for name in names if _squeezed(name) == _squeezed(self._project)]
        close += get_close_matches(self._project, names, n=3)
        if close:
            return f"no such project; did you mean {self._entity}/{close[0]}?"
        listed = ", ".join(names[:SUGGESTIONS]) + (", ..." if len(names) > SUGGESTIONS else "")
        return f"no such project; {self._entity} has: {listed}"

    def _message(self, text: str) -> None:
        self._summary.messages.append(text)

    def _stop(self) -> None:
        self._message(
            f"stopped: {self._failures_in_a_row} runs in a row failed, so W&B may be down; what "
            "came before has landed, call again later (--max-failures)"
        )
        raise _StoppedError


def _squeezed(name: str) -> str:
    """A name without case and punctuation."""
    return "".join(character for character in name.casefold() if character.isalnum())
