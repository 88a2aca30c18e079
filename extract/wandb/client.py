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
from extract.landing.zone import utc_now
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
NO_LAST_STEP = 2**62
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
# It does not repeat a request whose answer was cut: that is left to us.
ATTEMPTS = 3
RETRY_WAIT_S = 1.0
EXIT_WAIT_S = 5.0
_STATUS = re.compile(r"returned error (\d{3})\b")
_ADDRESS = re.compile(r"https?://(?:[^/\s\"@]*@)?([^/\s\"]+)[^\s\"]*")
_REASONS = {401: "unauthorised", 403: "forbidden", 404: "not_found", 429: "rate_limited"}


class RequestError(ExtractError):
    """W&B did not answer what it was asked; ``reason`` is a short code for outcomes."""

    def __init__(self, reason: str, message: str, *, is_final: bool = True) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_final = is_final  # asking again at once does not help


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

    def runs(self, entity: str, project: str, selection: Selection) -> Iterator[ListedRun]:
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
                    yield _listed(run)
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
        with _translated(f"listing {entity}/{project}"):
            return self._api.runs(
                f"{entity}/{project}",
                filters=selection.filters(),
                order="+created_at",
                per_page=RUNS_PER_PAGE,
                lazy=False,
            )

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
            filters = Selection(run_ids=ids).filters()

            def listed(filters: dict[str, Any] = filters) -> set[str]:
                self._api.flush()
                with _translated(f"looking for runs of {entity}/{project}"):
                    runs = self._api.runs(f"{entity}/{project}", filters, per_page=IDS_PER_QUERY)
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
            # One page also reaches beyond what the listing told, which may be late.
            last_step = NO_LAST_STEP if one_page else listed.last_step
            if last_step is None:
                last_step = listed.handle.lastHistoryStep
            stop = last_step + 1 if max_step is None else min(max_step, last_step + 1)
            rows_per_page = max(100, VALUES_PER_PAGE // (listed.n_history_keys + 3))
            span = max(1, stop - min_step)
            rows_expected = max(1, listed.history_line_count or span)
            window = max(rows_per_page, span * rows_per_page // rows_expected, span // MAX_WINDOWS)
            yield from _raw_scan()(
                listed.handle,
                service_api=self._api._service_api,
                page_size=span if one_page else window,
                min_step=min_step,
                max_step=stop,
                # The client finds its cache by the run's name alone, also when the run has grown
                # since, or when the file is what is left of a failed download.
                use_cache=False,
            )

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
        # The client has unwrapped it already; once more would unwrap {"value": 1} of a user.
        "config": {key: {"value": value} for key, value in run.config.items()},
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
        raise RequestError(reason, f"{doing}: {text}", is_final=is_final) from None


def repeated(action: Callable[[], Result]) -> Result:
    """What an action gives; it is tried again where wandb-core does not do that itself."""
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
