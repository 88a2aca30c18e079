"""The W&B public API as generators of records; the only module that talks to the wandb client.

What is known of the client (0.31.0) and shapes the code below:

* Api objects are never freed in wandb-core, its child process: one, flushed between polls.
* ``Runs`` keeps every run that it has listed; listed runs are taken out of it here.
* ``scan_history`` reads windows of steps, not of rows, and its requests have no timeout of their
  own: callers watch the clock.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from extract.errors import ExtractError, UsageError
from extract.landing.manifest import utc_now
from extract.wandb.records import RunRecord, record_of

Result = TypeVar("Result")
METADATA_FILE = "wandb-metadata.json"
# Full runs of this project weigh about 100 kB: a page is some megabytes, and a cut one soon again.
RUNS_PER_PAGE = 50
# How many ids one query names (spec wandb_source, section 10).
IDS_PER_QUERY = 100
# What one page of a history may hold: a value costs about 300 bytes here, and as many again in
# wandb-core.
VALUES_PER_PAGE = 50_000
# A gap in the steps is crossed in so many windows at most.
MAX_WINDOWS = 100
# An Int of GraphQL has 32 bits; a window of more steps is refused by W&B as a whole.
MAX_PAGE_STEPS = 2**31 - 1
# So many windows are asked for at the very most: steps that are nanoseconds would take millions.
MOST_WINDOWS = 20_000
# A window that W&B refuses is asked for again in parts of it, twice; what is refused then stays so.
SHRINK_BY, SHRINKS = 20, 2
SMALLEST_PAGE_STEPS = 100
# A listing that is shorter than the server's own count is asked for again so many times.
LISTINGS = 3

# Asked of the client before it is imported: to be quiet, to report nothing anywhere, and not to
# log its settings, which hold the API key.
_QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_DEBUG": "false",
    "WANDB_CORE_DEBUG": "false",
}
_FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")
# wandb-core repeats requests that were answered with 408, 429 or 5xx, or not at all; it waits as
# Retry-After says, else 1, 2, 4, ... seconds: about a minute in all. It knows whole seconds only.
RETRIES = {"retry_max": 6, "retry_wait_min_seconds": 1, "retry_wait_max_seconds": 30}
GAVE_UP = "giving up after"
_INTERNAL_CONFIG = ("_wandb", "wandb_version")
# It does not repeat a request whose answer was cut: that is left to us.
ATTEMPTS = 3
RETRY_WAIT_S = 1.0
EXIT_WAIT_S = 5.0
_STATUS = re.compile(r"returned error (\d{3})\b")
_ADDRESS = re.compile(r"https?://(?:[^/\s\"@]*@)?([^/\s\"]+)[^\s\"]*")
# What W&B says of a page that is too large, in some words or other; not that it is down.
_REFUSED_PAGE = frozenset({0, 400, 413, 422, 500, 504})
_REASONS = {401: "unauthorised", 403: "forbidden", 404: "not_found", 429: "rate_limited"}


class RequestError(ExtractError):
    """W&B did not answer what it was asked; ``reason`` is a short code for outcomes."""

    def __init__(
        self, reason: str, message: str, *, is_final: bool = True, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final  # asking again at once does not help
        self.status = status  # of HTTP; 0 for an answer that holds errors, None for none


@dataclass(frozen=True)
class Selection:
    """Which runs of a project are asked for; all of them without any condition."""

    run_ids: Sequence[str] = ()
    states: Sequence[str] = ()
    tags: Sequence[str] = ()
    name: str | None = None
    created_from: str | None = None
    created_before: str | None = None

    @property
    def is_everything(self) -> bool:
        return self == Selection()

    def filters(self) -> dict[str, Any]:
        """The conditions in W&B's Mongo-like form."""
        conditions: list[dict[str, Any]] = []
        if self.run_ids:
            conditions.append({"name": {"$in": list(self.run_ids)}})
        if self.states:
            conditions.append({"state": {"$in": list(self.states)}})
        if self.tags:
            conditions.append({"tags": {"$in": list(self.tags)}})
        if self.name:
            conditions.append({"displayName": {"$regex": self.name}})
        if self.created_from:
            conditions.append({"createdAt": {"$gte": self.created_from}})
        if self.created_before:
            conditions.append({"createdAt": {"$lt": self.created_before}})
        return {"$and": conditions} if conditions else {}


@dataclass(frozen=True)
class ListedRun:
    """A run as a listing shows it; ``record`` lacks what costs a request of its own."""

    record: RunRecord
    history_line_count: int | None
    last_step: int | None
    n_history_keys: int
    handle: Any


@dataclass(frozen=True)
class UnreadableRun:
    """A run that W&B lists and its client cannot make sense of, as one whose user is null."""

    run_id: str
    problem: RequestError

    @property
    def id(self) -> str:
        """What the client calls it of a run that it can read."""
        return self.run_id


class Client:
    """One connection to W&B, with the credentials of `wandb login` or WANDB_API_KEY."""

    def __init__(
        self,
        folder: Path,
        *,
        timeout_s: float,
        announce: Callable[[str], None] = lambda _host: None,
    ) -> None:
        self.folder = folder
        self.total: int | None = None  # runs of the listing that is being read
        folder.mkdir(parents=True, exist_ok=True)
        # Run files, parquet exports and the client's own logs hold clear text: all of it goes
        # where it is removed, and not into the user's caches.
        os.environ.update(_QUIET | dict.fromkeys(_FOLDERS, str(folder)))
        import wandb  # slow, and nothing else needs it

        self.version: str = wandb.__version__
        try:
            settings = {"x_graphql_timeout_seconds": timeout_s}
            for kind in ("graphql", "file_transfer"):
                settings |= {f"x_{kind}_{name}": value for name, value in RETRIES.items()}
            wandb.setup(settings=wandb.Settings(**settings))
            announce(self.host)  # a host that does not answer is waited for a minute
            self._api = wandb.Api(timeout=int(timeout_s))
        except wandb.errors.UsageError:
            raise UsageError(
                f"no W&B credentials for {self.host}: run `wandb login`, or set WANDB_API_KEY "
                "(another server: WANDB_BASE_URL)"
            ) from None
        except Exception as problem:  # a settings error shows the values it does not like
            raise ExtractError(self._login_failed(problem)) from None

    @property
    def host(self) -> str:
        """The server that is asked."""
        import wandb

        return os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url

    def _login_failed(self, problem: Exception) -> str:
        import wandb

        if isinstance(problem, wandb.errors.AuthenticationError):
            return (
                f"W&B refused the credentials, or {self.host} does not answer: "
                f"{_told(problem).rstrip('.')}. Check WANDB_API_KEY and WANDB_BASE_URL, or run "
                "`wandb login` again"
            )
        what = type(problem).__name__
        return f"the W&B client cannot start ({what}): check WANDB_BASE_URL and WANDB_API_KEY"

    def runs(
        self, entity: str, project: str, selection: Selection
    ) -> Iterator[ListedRun | UnreadableRun]:
        """Every selected run once, oldest first.

        Raises ``RequestError`` when the project cannot be listed, also after its first pages.
        """
        seen: set[str] = set()
        for _ in range(LISTINGS):
            self._api.flush()
            runs = repeated(lambda: self._listing(entity, project, selection))
            most = 0
            while run := self._next(runs):
                self.total = len(runs)
                most = max(most, self.total)
                runs.objects[runs.index] = None  # or the list would keep all of them
                if run.id not in seen:
                    seen.add(run.id)
                    yield self._understood(run)
            # Runs that come and go between two pages move the others across the border.
            if len(seen) >= max(most, len(runs)):
                return
        if len(seen) < len(runs):
            raise RequestError(
                "short_listing",
                f"W&B counts {len(runs)} runs in {entity}/{project} and lists {len(seen)}; those "
                "have landed, call again",
            )

    def _listing(self, entity: str, project: str, selection: Selection) -> Any:
        return self._runs(entity, project, selection, per_page=RUNS_PER_PAGE, lazy=False)

    def _runs(
        self, entity: str, project: str, selection: Selection, *, per_page: int, lazy: bool
    ) -> Any:
        """The client's own listing, which does not end at a run that it cannot read."""
        return _tolerant_runs()(
            self._api._service_api, entity, project, filters=selection.filters(),
            order="+created_at", per_page=per_page, lazy=lazy,
        )  # fmt: skip

    def _understood(self, run: Any) -> ListedRun | UnreadableRun:
        if isinstance(run, UnreadableRun):
            return run
        try:
            with _translated(f"reading run {run.id}"):
                return _listed(run)
        except RequestError as problem:
            return UnreadableRun(run.id, problem)

    def _next(self, runs: Any) -> Any:
        """The next listed run, or None."""
        position = runs.index

        def action() -> Any:
            runs.index = position  # the client counts a run that it could not get
            with _translated(f"listing {runs.entity}/{runs.project}"):
                return next(runs, None)

        return repeated(action)

    def existing(self, entity: str, project: str, run_ids: Iterable[str]) -> set[str]:
        """Those of the given runs that W&B still has."""
        found: set[str] = set()
        for ids in chunks(sorted(run_ids), IDS_PER_QUERY):

            def listed(selection: Selection = Selection(run_ids=ids)) -> set[str]:
                with _translated(f"looking for runs of {entity}/{project}"):
                    runs = self._runs(entity, project, selection, per_page=IDS_PER_QUERY, lazy=True)
                    return {run.id for run in runs}

            found |= repeated(listed)
        return found

    def projects(self, entity: str) -> list[str]:
        """The names of an entity's projects; none when it cannot be asked."""
        try:
            return sorted(project.name for project in self._api.projects(entity))
        except Exception:  # this only helps to word another error
            return []

    def history(
        self,
        listed: ListedRun,
        min_step: int = 0,
        max_step: int | None = None,
        *,
        one_page: bool = False,
    ) -> Iterator[list[tuple[str, str]]]:
        """All rows from ``min_step`` up to and without ``max_step``, as (key, JSON text) pairs.

        A page is a window of steps; it follows the density of the rows, so that a page is neither
        one of a thousand empty ones nor more than the memory should hold. Nothing is sampled, and
        all metrics are read, whatever is asked for: with ``keys`` the client samples, and drops
        rows that lack one of them.
        """
        doing = f"reading the history of {listed.record.fields['run_id']}"
        with _translated(doing):
            last_step = listed.last_step
            if last_step is None:
                last_step = listed.handle.lastHistoryStep
        rows_per_page = max(100, VALUES_PER_PAGE // (listed.n_history_keys + 3))
        # The client asks for as many rows as a page has steps, and steps may have several rows. One
        # page also reaches beyond what was told of the last step: that may be late.
        reach = MAX_PAGE_STEPS if one_page else rows_per_page
        stop = max(last_step + 1, min_step + reach)
        stop = stop if max_step is None else min(max_step, stop)
        span = max(1, stop - min_step)
        rows_expected = max(1, listed.history_line_count or span)
        window = max(rows_per_page, span * rows_per_page // rows_expected, span // MAX_WINDOWS)
        window = min(span if one_page else window, MAX_PAGE_STEPS)
        if span // window > MOST_WINDOWS:
            raise RequestError(
                "too_many_steps",
                f"{doing}: its steps go up to {last_step:,}, and W&B gives {MAX_PAGE_STEPS:,} of "
                "them a page at most; say where they begin with --min-step",
            )
        with _translated(doing):
            scan = _raw_scan()(
                listed.handle,
                service_api=self._api._service_api,
                page_size=window,
                min_step=min_step,
                max_step=stop,
                # The client finds its cache by the run's name alone, also when the run has grown
                # since, or when the file is what is left of a failed download.
                use_cache=False,
            )
        yield from _in_smaller_pages(scan, doing)

    def metadata(self, listed: ListedRun) -> dict[str, Any] | None:
        """The run's wandb-metadata.json; None if it has none."""
        with (
            _translated(f"fetching {METADATA_FILE} of {listed.record.fields['run_id']}"),
            tempfile.TemporaryDirectory(dir=self.folder) as folder,
        ):
            # `Run.metadata` says None also when a request failed.
            for file in listed.handle.files(names=[METADATA_FILE], per_page=1):
                file.download(root=folder, replace=True).close()
                content = json.loads((Path(folder) / METADATA_FILE).read_bytes())
                return content if isinstance(content, dict) else None
        return None


def _in_smaller_pages(scan: Any, doing: str) -> Iterator[Any]:
    """The rows of a scan; a page that W&B refuses is asked for again in smaller ones."""
    shrinks = 0
    while True:
        try:
            with _translated(doing):
                # Not `for row in scan`, which would begin the scan anew.
                while (row := next(scan, None)) is not None:
                    yield row
                return
        except RequestError as problem:
            is_refused = problem.status in _REFUSED_PAGE
            if shrinks == SHRINKS or not is_refused or scan.page_size <= SMALLEST_PAGE_STEPS:
                raise
            shrinks += 1
            scan.page_size = max(SMALLEST_PAGE_STEPS, scan.page_size // SHRINK_BY)


@lru_cache
def _tolerant_runs() -> Any:
    """The client's listing of runs, page by page, each run of a page on its own.

    Where the client cannot read one run (wandb 0.31.0: `user` is null once an account has been
    deleted), it gives up the page, and the pages after it. Beside each run stays the config as it
    came: what the client makes of it has lost keys of values that have a key `value`.
    """
    from wandb.apis.public import Runs

    class TolerantRuns(Runs):
        def convert_objects(self) -> list[Any]:
            page = self.last_response
            edges = (((page or {}).get("project") or {}).get("runs") or {}).get("edges")
            if not edges:
                return super().convert_objects()
            found: list[Any] = []
            for edge in edges:
                self.last_response = {"project": {"runs": {"edges": [edge]}}}
                try:
                    (run,) = super().convert_objects()
                    run.config_as_sent = edge["node"].get("config")
                    found.append(run)
                except Exception as problem:
                    found.append(_unreadable(edge, problem))
                finally:
                    self.last_response = page
            return found

    return TolerantRuns


def _unreadable(edge: dict[str, Any], problem: Exception) -> UnreadableRun:
    run_id = str(edge["node"]["name"])
    what = f"the W&B client cannot read it ({type(problem).__name__}: {_told(problem)})"
    return UnreadableRun(run_id, RequestError("unreadable_run", what))


@lru_cache
def _raw_scan() -> Any:
    """The client's own scan of a history, with the values left as they came.

    ``Run.scan_history`` makes the same scan, after a request for the last step, which the listing
    has told; then it parses every value, which takes half of the time.
    """
    from wandb.apis.public import HistoryScan

    class RawHistoryScan(HistoryScan):
        @staticmethod
        def _convert_history_row_to_dict(history_row: Any) -> Any:
            return [(item.key, item.value_json) for item in history_row.history_items]

    return RawHistoryScan


def _listed(run: Any) -> ListedRun:
    keys = run.historyKeys if isinstance(run.historyKeys, dict) else {}
    user = {name: getattr(run.user, name, None) for name in ("username", "name")}
    fields = {
        "run_id": run.id,
        "display_name": run.name,
        "entity": run.entity,
        "project": run.project,
        "state": run.state,
        "created_at": run.created_at,
        "heartbeat_at": run.heartbeat_at,
        "tags": run.tags,
        "group": run.group,
        "job_type": run.job_type,
        "sweep_name": run.sweep_name,
        "description": run.description,
        "notes": run.notes,
        "commit": run.commit,
        "user": user,
        "history_line_count": run.historyLineCount,
        "config": _config(run.config_as_sent),
        "summary": run.summary_metrics,
        "system_metrics": run.system_metrics,
        "system_attrs": {"id": run.storage_id, "readOnly": run.read_only, "historyKeys": keys},
    }
    record = record_of({"run": fields, "exported_at": utc_now()})
    assert isinstance(record, RunRecord)
    last_step = keys.get("lastStep")
    count = run.historyLineCount
    return ListedRun(
        record=record,
        history_line_count=count if isinstance(count, int) else None,
        last_step=int(last_step) if isinstance(last_step, int | float) else None,
        n_history_keys=len(keys.get("keys") or ()),
        handle=run,
    )


def _config(sent: Any) -> dict[str, Any]:
    """A config as W&B sent it, each value wrapped once: {"key": {"value": ...}}.

    The client unwraps it twice: of {"opt": {"value": 1, "kind": "adam"}} the 1 is left.
    """
    config = (json.loads(sent, strict=False) if isinstance(sent, str) else sent) or {}
    return {
        key: {"value": item["value"] if isinstance(item, dict) and "value" in item else item}
        for key, item in config.items()
        if key not in _INTERNAL_CONFIG
    }


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Errors of the client as ours: one line that names what was asked, and holds no secret."""
    try:
        yield
    except (ExtractError, MemoryError):
        raise
    except Exception as problem:
        if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        cause = getattr(problem, "exc", None) or problem
        text = _told(problem)
        status = getattr(getattr(cause, "response", None), "http_status", 0)
        if not status and (found := _STATUS.search(text)):  # of a history, only the text says it
            status = int(found[1])
        reason = _REASONS.get(status, "request_failed")
        if "Could not find project" in text:
            reason = "not_found"
        is_final = reason != "request_failed" or GAVE_UP in text
        raise RequestError(
            reason, f"{doing}: {text}", is_final=is_final, status=status or _error_status(text)
        ) from None


def _error_status(text: str) -> int | None:
    """0 where W&B answered, and the answer holds errors; None where it did not."""
    return 0 if "graphql" in text.lower() or "GraphQL" in text else None


def repeated(action: Callable[[], Result]) -> Result:
    """What an action gives; it is tried again where wandb-core does not do that itself.

    The one retry loop of ours: a library for it would be a dependency for these lines.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return action()
        except RequestError as problem:
            if attempt == ATTEMPTS or problem.is_final:
                raise
            time.sleep(attempt * RETRY_WAIT_S)
    raise AssertionError("unreachable")


def _told(problem: Exception) -> str:
    """An error's text as one line; of an address only the host, for those of exports are signed."""
    return redacted(_ADDRESS.sub(r"\1", " ".join(str(problem).split())))


def exit_soon(code: int) -> None:
    """End the process, also when the client does not.

    wandb 0.31.0 joins its child process at exit, and can wait for ever: seen when a request had
    been given up while the child was still repeating it, and once in a test where none was.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    timer = threading.Timer(EXIT_WAIT_S, os._exit, [code])
    timer.daemon = True
    timer.start()


def redacted(text: str) -> str:
    """A text without the secrets of this process's environment."""
    for name, value in os.environ.items():
        if len(value) >= 8 and ("KEY" in name or "TOKEN" in name or "SECRET" in name):
            text = text.replace(value, f"<{name}>")
    return text


def chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The items in groups of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))
