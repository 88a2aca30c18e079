"""A W&B server double: a real HTTP server on loopback that the unpatched wandb client talks to.

It answers the GraphQL operations of wandb 0.31 (of its Python side and of wandb-core, its child
process), and serves parquet exports and the files of runs. test_double.py shows what the
client makes of it.

What it assumes of the real server: queries are validated against a schema (judge.py); cursors are
opaque; a page of a listing has at most ``MAX_RUNS_PER_PAGE`` runs, whatever is asked for; a window
of a history with more rows than `samples` is thinned out; `user`, `config` and the summary of a run
may be null.

    with WandbDouble() as double:
        double.project("ml-moe", "bench").add(FakeRun("r1", history=[{"_step": 0, "loss": 1.5}]))
        ...  # a client with WANDB_BASE_URL=double.url and WANDB_API_KEY=double.api_key

    python tests/python/wandb/double.py --runs 2000 --rows 500    # serves until stdin closes
"""

from __future__ import annotations

import argparse
import base64
import bisect
import hashlib
import json
import math
import operator
import os
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from typing import Any
from urllib.parse import quote, unquote

import duckdb

if __name__ == "__main__":  # as a program it is started from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.python.wandb import judge

Row = dict[str, Any]

MAX_RUNS_PER_PAGE = 1000
API_KEY = "0123456789abcdef" * 2 + "01234567"  # the client demands 40 characters
ADA = {"name": "Ada Example", "username": "ada"}


@dataclass
class FakeRun:
    """A run as the server knows it. Setting an attribute drops what was rendered of it; call
    `touch()` after a change inside of one (`run.config["a"] = 1`); rows appended are noticed."""

    run_id: str
    display_name: str | None = None  # default: run_id
    state: str = "finished"
    config: dict[str, Any] | None = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)  # may hold nan and inf
    system_metrics: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    group: str | None = None
    job_type: str | None = None
    notes: str | None = None
    description: str | None = None
    commit: str | None = None
    sweep_name: str | None = None
    created_at: str = "2025-08-21T10:00:00Z"
    heartbeat_at: str = "2025-08-21T11:00:00Z"
    user: dict[str, Any] | None = field(default_factory=ADA.copy)
    history: list[Row] | Callable[[], list[Row]] | Rows = field(default_factory=list)
    exported_rows: int = 0  # so many rows are in parquet exports, the rest is live
    parquet_file_rows: int | None = None  # rows of one export; None: all in one
    parquet_types: dict[str, str] = field(default_factory=dict)  # column -> DuckDB type
    metadata: dict[str, Any] | None = None  # wandb-metadata.json
    files: dict[str, bytes] = field(default_factory=dict)
    history_line_count: int | None = None  # default: the number of rows
    history_keys: Any = None  # instead of what follows from the rows

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        self.touch()

    def touch(self) -> None:
        self.__dict__["rendered"] = {}

    def contents(self) -> dict[str, bytes]:
        own = {"wandb-metadata.json": _text(self.metadata).encode()} if self.metadata else {}
        return own | self.files


@dataclass
class FakeProject:
    entity: str
    name: str
    runs: list[FakeRun] = field(default_factory=list)  # in insertion order
    forbidden: bool = False  # -> 403
    run_count: int | None = None  # what runCount claims; default: the truth
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *runs: FakeRun) -> None:
        with self._lock:
            self.runs.extend(runs)

    def remove(self, run_id: str) -> None:
        with self._lock:
            self.runs[:] = [run for run in self.runs if run.run_id != run_id]

    def run(self, run_id: str | None) -> FakeRun | None:
        return next((run for run in list(self.runs) if run.run_id == run_id), None)


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    operation: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    query: str = ""
    time: float = 0.0  # time.monotonic() at arrival
    status: int | None = None  # what was sent; None: nothing was


@dataclass(frozen=True)
class Fault:
    """What goes wrong. With `delay` alone the right answer follows after so many seconds."""

    status: int | None = None
    retry_after: str | int | None = None
    body: bytes | str | None = None
    errors: tuple[str, ...] = ()  # GraphQL errors, with status 200 unless another is given
    reset: bool = False  # RST instead of an answer
    cut: bool = False  # half of the body, then the end of the connection
    delay: float = 0.0


@dataclass(frozen=True)
class _Answer:
    body: bytes
    status: int = 200
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def _problem(status: int, *messages: str) -> _Answer:
    errors = [{"message": message} for message in messages]
    return _Answer(_text({"errors": errors, "data": None}).encode(), status)


def _wrapped(value: Any) -> dict[str, Any]:
    return {"value": value, "desc": None}


def cursor_after(number: int) -> str:
    """Where a page ends, as a text that says nothing."""
    return base64.b64encode(f"after:{number}".encode()).decode()


def _position(cursor: str | None) -> int:
    return int(base64.b64decode(cursor).decode().removeprefix("after:")) if cursor else 0


# -- rendering -----------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _id(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _finite(value: Any) -> Any:
    """NaN and the infinities as texts: outside of JSON texts, answers are strict JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


_KINDS = {bool: "bool", int: "number", float: "number", str: "string", dict: "map", list: "list"}


class Rows:
    """The rows of a history, rendered once: texts[i] is a JSON string that holds JSON text.
    Runs may share one."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = [{k: v for k, v in row.items() if v is not None} for row in rows]
        self.texts = [_text(_text(row)) for row in self.rows]
        self.steps = [int(row.get("_step", 0)) for row in self.rows]
        self.ordered = all(a <= b for a, b in pairwise(self.steps))
        self.whole = ",".join(self.texts)
        self.exports: dict[Any, list[str]] = {}  # names of files, kept by WandbDouble.exports()

    def window(self, low: int, high: int, samples: int, first: int = 0) -> str:
        """The rows with low <= _step < high, in their order, without the first ones; every so
        many of them where they are more than `samples`.
        """
        if self.ordered:
            start = max(first, bisect.bisect_left(self.steps, low))
            stop = bisect.bisect_left(self.steps, high)
            if start == 0 and stop == len(self.texts) <= samples:
                return self.whole
            found: Sequence[int] = range(start, stop)
        else:
            within = range(first, len(self.rows))
            found = [n for n in within if low <= self.steps[n] < high]
        every = max(1, math.ceil(len(found) / samples))
        return ",".join(self.texts[n] for n in found[::every])

    @cached_property
    def keys(self) -> dict[str, Any] | None:
        """historyKeys."""
        kinds: dict[str, Counter[str]] = {}
        last: Row = {}
        for row in self.rows:
            last |= row
            for key, value in row.items():
                kinds.setdefault(key, Counter())[_KINDS[type(value)]] += 1
        keys = {
            key: {
                "typeCounts": [{"type": kind, "count": n} for kind, n in kinds[key].items()],
                "monotonic": key in ("_step", "_runtime", "_timestamp"),
                "previousValue": _finite(value),
            }
            for key, value in last.items()
        }
        return {"lastStep": max(self.steps), "sets": [], "keys": keys} if self.rows else None


def _sql_type(values: Iterable[Any]) -> str:
    """The DuckDB type of a parquet column that holds these values."""
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {dict} and any(present):
        keys = dict.fromkeys(key for value in present for key in value)
        inner = [f"{_name(k)} {_sql_type(value.get(k) for value in present)}" for k in keys]
        return f"STRUCT({', '.join(inner)})"
    if kinds == {list}:
        return _sql_type(item for value in present for item in value) + "[]"
    if kinds == {int} and max(map(abs, present)) < 2**63:
        return "BIGINT"
    if kinds and kinds <= {int, float}:
        return "DOUBLE"
    return "BOOLEAN" if kinds == {bool} else "VARCHAR"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


# -- filters and order of listings ---------------------------------------------------------------

_FIELDS: dict[str, Callable[[FakeRun], Any]] = {
    "name": lambda run: run.run_id,
    "displayName": lambda run: run.display_name or run.run_id,
    "state": lambda run: run.state,
    "tags": lambda run: run.tags,
    "group": lambda run: run.group,
    "jobType": lambda run: run.job_type,
    "createdAt": lambda run: _moment(run.created_at),
    "heartbeatAt": lambda run: _moment(run.heartbeat_at),
    "username": lambda run: (run.user or {}).get("username"),
    "sweep": lambda run: run.sweep_name,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$regex": lambda have, want: re.search(want, have) is not None,
}


@lru_cache(maxsize=100_000)
def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _walk(value: Any, path: str) -> Any:
    while path and isinstance(value, dict):
        if path in value:
            return value[path]
        head, _, path = path.partition(".")
        value = value.get(head)
    return None


@lru_cache(maxsize=1000)
def _getter(name: str) -> Callable[[FakeRun], Any]:
    top, _, path = name.partition(".")
    if top == "config":
        short = path.removesuffix(".value")
        return lambda run: _walk(run.config, short)
    if top in ("summary_metrics", "summaryMetrics"):
        return lambda run: _walk(run.summary, path)
    camel = re.sub(r"_(\w)", lambda match: match[1].upper(), name)
    if camel not in _FIELDS:
        raise ValueError(f"unknown field {name}")
    return _FIELDS[camel]


def _compare(how: str, have: Any, want: Any) -> bool:
    if how == "$exists":
        return (have is not None) == bool(want)
    if how in ("$ne", "$nin"):
        return not _compare("$eq" if how == "$ne" else "$in", have, want)
    if how == "$in":
        return any(_compare("$eq", have, item) for item in want)
    if isinstance(have, list) and not isinstance(want, list):  # tags
        return any(_compare(how, item, want) for item in have)
    if isinstance(have, datetime):
        want = _moment(want)
    try:
        return _COMPARISONS[how](have, want)
    except TypeError:  # of different types, or missing
        return False


def matches(run: FakeRun, filters: dict[str, Any]) -> bool:
    """Whether a run passes Mongo-style filters."""
    for key, want in filters.items():
        if key == "$and":
            passed = all(matches(run, part) for part in want)
        elif key in ("$or", "$nor"):
            passed = any(matches(run, part) for part in want) == (key == "$or")
        elif isinstance(want, dict) and any(how.startswith("$") for how in want):
            passed = all(_compare(how, _getter(key)(run), item) for how, item in want.items())
        else:
            passed = _compare("$eq", _getter(key)(run), want)
        if not passed:
            return False
    return True


def _ordered(runs: list[FakeRun], order: str) -> list[FakeRun]:
    """Runs in the order asked for; equal ones in insertion order; those without the value last."""
    get = _getter(order.lstrip("+-"))
    pairs = [(get(run), run) for run in runs]
    known = [(isinstance(value, str), value, run) for value, run in pairs if value is not None]
    known.sort(key=operator.itemgetter(0, 1), reverse=order.startswith("-"))
    return [run for *_, run in known] + [run for value, run in pairs if value is None]


# -- the server ----------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _operation(query: str) -> str | None:
    found = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
    return found[1] if found else None


class WandbDouble:
    """The server; a context manager. `before` and `faults` see every request first."""

    def __init__(self, api_key: str = API_KEY, entity: str = "ml-moe") -> None:
        self.api_key = api_key
        self.entity = entity  # of the user who logs in
        self.projects: dict[tuple[str, str], FakeProject] = {}
        self.requests: list[Request] = []
        self.faults: Callable[[Request], Fault | None] | None = None
        self.before: Callable[[Request], None] | None = None
        self.page_duplicates = 0  # a page of runs begins with so many of the page before it
        self.history_has_exported = True  # HistoryPage answers with exported rows too
        self.closing = threading.Event()
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> WandbDouble:
        self._folder = tempfile.TemporaryDirectory(prefix="wandb_double_")
        self._duckdb = duckdb.connect()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            self._duckdb.close()
            self._folder.cleanup()

    def project(self, entity: str, name: str) -> FakeProject:
        return self.projects.setdefault((entity, name), FakeProject(entity, name))

    def environment(self, folder: Path) -> dict[str, str]:
        """For a client process, which then reads and writes below the folder only."""
        places = {"HOME": "home", "TMPDIR": "tmp", "WANDB_DIR": "wandb", "WANDB_CACHE_DIR": "cache"}
        places |= {"WANDB_CONFIG_DIR": "config", "WANDB_DATA_DIR": "data"}
        for name in places.values():
            (folder / name).mkdir(parents=True, exist_ok=True)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
        return kept | {
            **{variable: str(folder / name) for variable, name in places.items()},
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.api_key,
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def operations(self) -> list[str]:
        """What came in, in order: names of operations, else the method and the path."""
        return [r.operation or f"{r.method} {r.path}" for r in list(self.requests)]

    # -- what is rendered once, and kept in run.rendered

    def rows(self, run: FakeRun) -> Rows:
        if isinstance(run.history, Rows):
            return run.history
        length = len(run.history) if isinstance(run.history, list) else -1
        with self._lock:
            cache = run.__dict__["rendered"]
            if cache.get("length") != length:
                cache.clear()
                source = run.history if isinstance(run.history, list) else run.history()
                cache["rows"], cache["length"] = Rows(source), length
            return cache["rows"]

    def _once(self, run: FakeRun, key: Any, render: Callable[[], Any]) -> Any:
        self.rows(run)  # drops the rest when rows were appended
        cache = run.__dict__["rendered"]
        if key not in cache:
            cache[key] = render()
        return cache[key]

    def node(self, run: FakeRun, full: bool) -> str:
        """The JSON of a run: light, or with its config, summary and keys."""
        return self._once(run, full, lambda: _text(self._node(run, full)))

    def _node(self, run: FakeRun, full: bool) -> dict[str, Any]:
        lines = run.history_line_count
        node: dict[str, Any] = {
            "id": _id(f"Run:v1:{run.run_id}"),
            "projectId": "1",
            "tags": run.tags,
            "name": run.run_id,
            "displayName": run.display_name or run.run_id,
            "sweepName": run.sweep_name,
            "state": run.state,
            "group": run.group,
            "jobType": run.job_type,
            "commit": run.commit,
            "readOnly": True,
            "createdAt": run.created_at,
            "heartbeatAt": run.heartbeat_at,
            "description": run.description,
            "notes": run.notes,
            "historyLineCount": len(self.rows(run).rows) if lines is None else lines,
            "user": run.user,
        }
        if full:
            config = {key: _wrapped(value) for key, value in (run.config or {}).items()}
            config["_wandb"] = _wrapped({"cli_version": "0.21.0"})
            node["config"] = None if run.config is None else _text(config)
            node["summaryMetrics"] = _text(run.summary)
            node["systemMetrics"] = _text(run.system_metrics)
            node["historyKeys"] = self._keys(run)
        return node

    def _keys(self, run: FakeRun) -> Any:
        return self.rows(run).keys if run.history_keys is None else run.history_keys

    def exports(self, run: FakeRun) -> list[str]:
        """The URLs of the parquet exports of a run's first rows, written at the first request."""
        rows, count, size = self.rows(run), run.exported_rows, run.parquet_file_rows
        key = (count, size, *run.parquet_types.items())
        with self._lock:
            if key not in rows.exports:
                starts = range(0, min(count, len(rows.rows)), size or count or 1)
                parts = [rows.rows[start : min(start + (size or count), count)] for start in starts]
                rows.exports[key] = [self._write(part, run.parquet_types) for part in parts]
            base = f"{self.url}/exports/{quote(run.run_id, safe='')}"
            return [f"{base}/{name}" for name in rows.exports[key]]

    def _write(self, rows: list[Row], types: dict[str, str]) -> str:
        names = dict.fromkeys(name for row in rows for name in row)
        columns = {k: types.get(k) or _sql_type(row.get(k) for row in rows) for k in names}
        lines = "".join(_text(_finite(row)) + "\n" for row in rows).encode()
        stem = hashlib.sha256(lines + repr(columns).encode()).hexdigest()[:32]
        source, target = (Path(self._folder.name) / f"{stem}.{end}" for end in ("json", "parquet"))
        source.write_bytes(lines)
        self._duckdb.execute(
            f"copy (from read_json('{source}', columns = $columns, format = 'nd'))"
            f" to '{target}' (format parquet)",
            {"columns": columns},
        )
        source.unlink()
        return target.name

    # -- answers

    def answer(self, request: Request) -> _Answer:
        if request.path.startswith("/exports/"):
            return self._export(request)
        if request.path.startswith("/files/"):
            return self._file(request)
        if request.method != "POST" or request.path != "/graphql":
            return _problem(404, "no such page")
        if request.headers.get("authorization") != f"Basic {_id(f'api:{self.api_key}')}":
            return _problem(401, "user is not logged in")
        if refused := judge.refusals(request.query, request.variables):
            return _problem(400, *refused)
        try:
            return _Answer(f'{{"data":{self._data(request)}}}'.encode())
        except PermissionError as error:
            return _problem(403, str(error))
        except (ValueError, KeyError, TypeError) as error:
            return _problem(400, f"bad request: {error!r}")

    def _data(self, request: Request) -> str:
        operation, variables = request.operation, request.variables
        if operation in ("Viewer", "GetViewer", "GetDefaultEntity"):
            return _text({"viewer": self._viewer()})
        if operation == "ServerFeaturesQuery":
            return '{"serverInfo":{"features":[]}}'
        if operation == "GetProjects":
            return self._projects(variables)
        name = variables.get("project") or variables.get("name") or ""
        project = self.projects.get((variables.get("entity") or "", name))
        if project is None:
            return '{"project":null}'
        if project.forbidden:
            raise PermissionError("permission denied")
        if operation == "GetProject":
            return _text({"project": self._project_node(project)})
        if operation == "Runs":
            return self._runs(project, request)
        run = project.run(request.run_id)
        answer = "null" if run is None else self._run(run, project, request)
        return f'{{"project":{{"internalId":"1","run":{answer}}}}}'

    def _runs(self, project: FakeProject, request: Request) -> str:
        variables, full = request.variables, "LightweightRunFragment" not in request.query
        filters = json.loads(variables.get("filters") or "{}")
        runs = [run for run in list(project.runs) if matches(run, filters)]
        runs = _ordered(runs, variables.get("order") or "+created_at")
        start = max(0, _position(variables.get("cursor")) - self.page_duplicates)
        per_page = min(variables.get("perPage") or 50, MAX_RUNS_PER_PAGE)
        stop = min(start + per_page, len(runs))
        edges = ",".join(
            f'{{"cursor":"{cursor_after(number)}","node":{self.node(run, full)}}}'
            for number, run in enumerate(runs[start:stop], start + 1)
        )
        page = {"endCursor": cursor_after(stop) if edges else None, "hasNextPage": stop < len(runs)}
        count = len(runs) if project.run_count is None else project.run_count
        return (
            f'{{"project":{{"internalId":"1","runCount":{count},"readOnly":true,'
            f'"runs":{{"edges":[{edges}],"pageInfo":{_text(page)}}}}}}}'
        )

    def _run(self, run: FakeRun, project: FakeProject, request: Request) -> str:
        operation, variables, rows = request.operation, request.variables, self.rows(run)
        if operation == "Run":
            return self.node(run, "LightweightRunFragment" not in request.query)
        if operation == "RunState":
            return _text({"state": run.state})
        if operation == "RunFiles":
            return self._files(run, project, variables)
        if operation == "RunHistoryKeys":
            return self._once(run, "keys", lambda: _text({"historyKeys": self._keys(run)}))
        if operation == "HistoryPage":
            hidden = 0 if self.history_has_exported else run.exported_rows
            window = rows.window(
                int(variables["minStep"]), int(variables["maxStep"]), variables["pageSize"], hidden
            )
            return f'{{"history":[{window}]}}'
        if operation == "RunParquetHistory":
            return self._once(run, str(variables), lambda: self._parquet(run, variables))
        if operation == "RunFullHistory":
            events = "events(" in request.query
            return '{"events":[]}' if events else f'{{"history":[{rows.whole}]}}'
        if operation in ("RunSampledHistory", "SampledHistoryPage"):
            spec = json.loads(variables["spec"] if "spec" in variables else variables["specs"][0])
            low, high = spec.get("minStep", 0), spec.get("maxStep", math.inf)
            found = [
                {key: _finite(row[key]) for key in spec["keys"]}
                for step, row in zip(rows.steps, rows.rows, strict=True)
                if low <= step < high and row.keys() >= set(spec["keys"])
            ]
            every = max(1, math.ceil(len(found) / int(spec.get("samples") or 500)))
            return _text({"sampledHistory": [found[::every]]})
        raise ValueError(f"unknown operation {operation}")

    def _parquet(self, run: FakeRun, variables: dict[str, Any]) -> str:
        keys = set(variables.get("liveKeys") or []) | {"_step"}
        live = [
            {key: _finite(row[key]) for key in keys}
            for row in self.rows(run).rows[run.exported_rows :]
            if row.keys() >= keys
        ]
        return _text({"parquetHistory": {"liveData": live, "parquetUrls": self.exports(run)}})

    def _viewer(self) -> dict[str, Any]:
        viewer = {"id": _id("User:1"), "entity": self.entity, "email": "ada@example.org", **ADA}
        viewer |= {"admin": False, "flags": "{}", "deletedAt": None, "apiKeys": {"edges": []}}
        return viewer | {"teams": {"edges": [{"node": {"name": self.entity}}]}}

    def _project_node(self, project: FakeProject) -> dict[str, Any]:
        return {
            "__typename": "Project",
            "id": _id(f"Project:v1:{project.name}"),
            "name": project.name,
            "entityName": project.entity,
            "createdAt": "2025-08-01T00:00:00Z",
            "isBenchmark": False,
            "user": self._viewer(),
        }

    def _projects(self, variables: dict[str, Any]) -> str:
        entity, start = variables.get("entity"), _position(variables.get("cursor"))
        found = [p for (owner, _), p in list(self.projects.items()) if owner == entity]
        stop = start + int(variables.get("perPage") or 50)
        page = {"__typename": "PageInfo", "endCursor": cursor_after(stop)}
        page |= {"hasNextPage": stop < len(found)}
        edges = [{"node": self._project_node(project)} for project in found[start:stop]]
        return _text({"models": {"pageInfo": page, "edges": edges}})

    # -- files and exports

    def _files(self, run: FakeRun, project: FakeProject, variables: dict[str, Any]) -> str:
        contents = run.contents()
        wanted = variables.get("fileNames") or sorted(contents)
        like = re.escape(variables.get("pattern") or "%").replace("%", ".*").replace("_", ".")
        names = [name for name in wanted if name in contents and re.fullmatch(like, name)]
        start = _position(variables.get("fileCursor"))
        stop = start + int(variables.get("fileLimit") or 50)
        edges = []
        for number, name in enumerate(names[start:stop], start + 1):
            where = (project.entity, project.name, run.run_id, *name.split("/"))
            url = f"{self.url}/files/" + "/".join(quote(part, safe="") for part in where)
            node = {
                "id": _id(f"File:{run.run_id}:{name}"),
                "name": name,
                "url": url,
                "directUrl": url,
                "sizeBytes": len(contents[name]),
                "mimetype": "application/json" if name.endswith(".json") else "text/plain",
                "updatedAt": run.heartbeat_at,
                "md5": base64.b64encode(hashlib.md5(contents[name]).digest()).decode(),
            }
            edges.append({"node": node, "cursor": cursor_after(number)})
        page = {
            "endCursor": cursor_after(stop) if edges else None,
            "hasNextPage": stop < len(names),
        }
        return _text({"fileCount": len(contents), "files": {"edges": edges, "pageInfo": page}})

    def _file(self, request: Request) -> _Answer:
        entity, name, _, *file = [unquote(part) for part in request.path.split("/")[2:]]
        project = self.projects.get((entity, name))
        run = project.run(request.run_id) if project else None
        content = run.contents().get("/".join(file)) if run else None
        if content is None:
            return _problem(404, "no such file")
        return _Answer(content, kind="application/octet-stream")

    def _export(self, request: Request) -> _Answer:
        path = Path(self._folder.name) / request.path.rpartition("/")[2]
        if not path.is_file():
            return _problem(404, "no such export")
        content, kind = path.read_bytes(), "application/octet-stream"
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{path.stem}"'}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("range", ""))
        if not wanted:
            return _Answer(content, 200, kind, headers)
        low, high, size = wanted[1], wanted[2], len(content)
        start = int(low) if low else size - int(high)
        stop = min(int(high) + 1, size) if low and high else size
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return _Answer(content[start:stop], 206, kind, headers)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], double: WandbDouble) -> None:
        self.double = double
        super().__init__(address, _Connection)  # type: ignore[arg-type]

    def server_bind(self) -> None:  # without a look-up of the host's name
        TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # clients may go away at any time
            super().handle_error(request, client_address)


class _Connection(StreamRequestHandler):
    """HTTP/1.1 with keep-alive and no more: it reads faster than BaseHTTPRequestHandler."""

    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        while (request := self._read()) is not None and self._serve(request):
            pass

    def _read(self) -> Request | None:
        line = self.rfile.readline().decode("latin-1").split()
        if len(line) != 3:
            return None
        headers = {}
        while header := self.rfile.readline().strip():
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(line[0], line[1], headers, time=time.monotonic())
        if request.path == "/graphql" and body:
            sent = json.loads(body)
            request.query, named = sent.get("query", ""), sent.get("variables") or {}
            request.operation, request.variables = _operation(request.query), named
            name = named.get("name") if "project" in named else None
            request.run_id = named.get("runName") or named.get("run") or name
        elif found := re.match(r"/(?:exports|files/[^/]+/[^/]+)/([^/]+)/", request.path):
            request.run_id = unquote(found[1])
        return request

    def _serve(self, request: Request) -> bool:
        """Sends the answer, or what the fault wants; whether the connection goes on."""
        double = self.server.double
        double.requests.append(request)
        if double.before:
            double.before(request)
        fault = (double.faults(request) if double.faults else None) or Fault()
        if fault.delay:
            double.closing.wait(fault.delay)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            return False
        if fault.body is not None:
            body = fault.body.encode() if isinstance(fault.body, str) else fault.body
            answer = _Answer(body, fault.status or 200)
        elif fault.errors or fault.status is not None:
            status = fault.status or 200
            answer = _problem(status, *(fault.errors or (HTTPStatus(status).phrase,)))
        else:
            answer = double.answer(request)
        request.status = answer.status
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body))}
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in (headers | answer.headers).items()) + "\r\n"
        body = b"" if request.method == "HEAD" else answer.body
        body = body[: len(body) // 2] if fault.cut else body
        self.connection.sendall(head.encode("latin-1") + body)
        return not fault.cut and request.headers.get("connection", "").lower() != "close"


# -- as a program --------------------------------------------------------------------------------

METRICS = ("loss", "lr", "grad_norm", "tokens", "throughput", "eval/loss", "eval/acc", "epoch")
SHARED_HISTORIES = 50  # runs share them, so that rendering takes no time in a benchmark


def bench_rows(rows: int, seed: int) -> list[Row]:
    rng, start = random.Random(seed), 1.7557e9 + seed * 1e5
    return [
        {"_step": step, "_timestamp": start + step * 0.7, "_runtime": step * 0.7}
        | {name: 3 / (1 + step) + rng.random() for name in METRICS}
        for step in range(rows)
    ]


def bench_runs(runs: int, rows: int, exported: float, config_keys: int) -> Iterator[FakeRun]:
    histories = [Rows(bench_rows(rows, seed)) for seed in range(min(SHARED_HISTORIES, runs))]
    for number in range(runs):
        history = histories[number % len(histories)]
        created = datetime(2025, 8, 1) + timedelta(minutes=number)
        yield FakeRun(
            f"run-{number:06d}",
            config={f"key_{k}": k / 2 if k % 2 else f"{k} of {number}" for k in range(config_keys)},
            summary=dict(history.rows[-1]) if rows else {},
            tags=["bench"],
            created_at=f"{created:%Y-%m-%dT%H:%M:%SZ}",
            heartbeat_at=f"{created + timedelta(minutes=50):%Y-%m-%dT%H:%M:%SZ}",
            history=history,
            exported_rows=int(rows * exported),
            metadata={"host": "node-1", "python": "3.11.9", "args": ["--lr", "1e-4"]},
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve ml-moe/bench until stdin closes.")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--exported-fraction", type=float, default=0.0)
    parser.add_argument("--config-keys", type=int, default=20)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    given = parser.parse_args()
    with WandbDouble() as double:
        runs = bench_runs(given.runs, given.rows, given.exported_fraction, given.config_keys)
        for run in runs:  # rendered before the clock of a benchmark starts
            double.project("ml-moe", "bench").add(run)
            double.node(run, full=True)
            double.exports(run)
        if given.delay:
            double.faults = lambda _request: Fault(delay=given.delay)
        print(double.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
