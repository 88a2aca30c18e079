"""Offline W&B runs: the `.wandb` file of a run directory, read without a server.

The file is the log of all that the run sent to W&B's client: what it was started with, each row of
its history, each change of its config and summary, the machine it runs on. A run that crashed, or
a file that was damaged since, gives what is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from extract.errors import InputError
from extract.wandb.log import payloads
from extract.wandb.records import HistoryRecord, RunRecord, logged_row

SUFFIX = ".wandb"
# The last day that a timestamp can hold.
END_OF_TIME_S = 253_402_214_400
# A run has a handful of sessions.
FINGERPRINT_CHARACTERS = 12


def records(
    path: Path, entity: str | None, project: str | None
) -> Iterator[tuple[int, RunRecord | HistoryRecord] | InputError]:
    """(0, record) for each history row of a run file and, at the end, for the run itself.

    Entity and project are those of a run that does not name its own. What is wrong is told at the
    end, once for each kind of problem: a file with a thousand bad blocks is one bad file.
    """
    # Here, not above: importing wandb takes half a second, which other inputs need not wait for.
    from google.protobuf.json_format import SerializeToJsonError
    from google.protobuf.message import DecodeError
    from wandb.proto.wandb_internal_pb2 import Record

    run = _OfflineRun()
    for payload in payloads(path):
        if isinstance(payload, InputError):
            run.damaged(payload)
            continue
        run.n_records += 1
        try:
            row = run.read(Record.FromString(payload), payload)
        except (DecodeError, SerializeToJsonError, RecursionError) as problem:
            run.damaged(_broken_record(run.n_records, problem))
            continue
        # Without a project the run is refused; its rows would be nobody's.
        if row is not None and (run.entity or entity) and (run.project or project):
            record = logged_row(run.run_id, row, run.entity, run.project)
            record.fields["session"] = run.session
            yield 0, record
    if run.run_id:
        yield 0, run.record()
    elif not run.problems:
        run.damaged(InputError("empty", "holds no run: it ended before W&B wrote its first record"))
    yield from run.told()


def _broken_record(number: int, problem: Exception) -> InputError:
    return InputError(
        "broken_wandb",
        f"has a record, number {number}, that is no message of W&B ({problem}); the others have "
        "landed",
    )


@dataclass
class _OfflineRun:
    """What the records have said about their run so far; only rows are not kept."""

    run_id: str = ""
    # Which of a run's processes wrote the log: each that is started, or goes on with a run, writes
    # one of its own. A log has the same session however far it has grown.
    session: str = ""
    entity: str | None = None
    project: str | None = None
    n_records: int = 0
    n_rows: int = 0
    # The first problem of each reason, and how many there were.
    problems: dict[str, tuple[InputError, int]] = field(default_factory=dict)

    _fields: dict[str, Any] = field(default_factory=dict)
    _config: dict[str, Any] = field(default_factory=dict)
    _summary: dict[str, Any] = field(default_factory=dict)
    _environment: dict[str, Any] = field(default_factory=dict)
    _system_metrics: dict[str, Any] = field(default_factory=dict)
    _exit_code: int | None = None
    _is_damaged: bool = False
    _is_session_vague: bool = False
    _newest_s: float = 0
    _next_step: int = 0

    def read(self, record: Any, payload: bytes) -> dict[str, Any] | None:
        """Take in a record; a history record comes back as the row that was logged."""
        kind = record.WhichOneof("record_type")
        if kind == "history":
            return self._row(record.history, payload)
        if kind == "summary":
            self._update(self._summary, record.summary)
        elif kind == "config":
            self._update(self._config, record.config)
        elif kind == "stats":
            self._seen(record.stats)
            for (key,), value in self._entries(record.stats.item):
                self._system_metrics[f"system.{key}"] = value
        elif kind == "output_raw":
            self._seen(record.output_raw)  # a sign of life; what was printed does not land
        elif kind == "run":
            self._run(record.run, payload)
        elif kind == "environment":
            # In the first record the machine is missing, in the second all but the machine.
            self._environment |= _as_dict(record.environment)
        elif kind == "exit":
            self._exit_code = record.exit.exit_code
        elif kind is None:
            self._unknown(record)
        return None

    def record(self) -> RunRecord:
        """The run as it is known now."""
        config = {key: value for key, value in self._config.items() if key != "_wandb"}
        # W&B's own entry (versions, telemetry), which its client does not count as config either.
        extra = {"_wandb": self._config.get("_wandb")}
        if self._exit_code is None or self._is_damaged:
            extra["is_incomplete"] = True
        if self._exit_code:
            extra["exit_code"] = self._exit_code
        ended = "failed" if self._exit_code else "finished"
        metadata = self._environment
        if "git" in self._fields:
            metadata = {"git": self._fields.pop("git")} | metadata
        fields = self._fields | {
            "run_id": self.run_id,
            "session": self.session,
            "entity": self.entity,
            "project": self.project,
            "state": "crashed" if self._exit_code is None else ended,
            "heartbeat_at": _iso(self._newest_s) if self._newest_s else None,
            "history_line_count": self.n_rows,
            "config": config,
            "summary": self._summary,
            "wandb_metadata": metadata or None,
            "system_metrics": self._system_metrics or None,
            "extra": {key: value for key, value in extra.items() if value} or None,
        }
        landed = {key: value for key, value in fields.items() if value is not None and value != ""}
        return RunRecord(landed, exported_at=None)

    def damaged(self, problem: InputError) -> None:
        self._is_damaged = True
        self._problem(problem)

    def told(self) -> Iterator[InputError]:
        """One problem for each reason."""
        for problem, count in self.problems.values():
            more = f" ({count - 1} more like this in the file)" if count > 1 else ""
            yield InputError(problem.reason, f"{problem}{more}")

    def _problem(self, problem: InputError) -> None:
        first, count = self.problems.get(problem.reason, (problem, 0))
        self.problems[problem.reason] = first, count + 1

    def _run(self, run: Any, payload: bytes) -> None:
        """The first run record begins the file; more follow when name, notes or tags change."""
        if not self.run_id:
            self._begin_session(run, payload)
        self.run_id = self.run_id or run.run_id
        self.entity = self.entity or run.entity or None
        self.project = self.project or run.project or None
        self._next_step = max(self._next_step, run.starting_step)
        if started_s := self._seen(run, "start_time"):
            self._fields.setdefault("created_at", _iso(started_s))
        self._fields |= {
            "display_name": run.display_name,
            "group": run.run_group,
            "job_type": run.job_type,
            "notes": run.notes,
            "tags": list(run.tags),
            "sweep_name": run.sweep_id,
            "commit": run.git.commit,
        }
        if run.HasField("git"):
            self._fields["git"] = _as_dict(run.git)
        self._update(self._config, run.config, keeps_exact=True)
        self._update(self._summary, run.summary, keeps_exact=True)

    def _begin_session(self, run: Any, payload: bytes) -> None:
        """Several processes of one run are told apart by when they started: by microseconds."""
        started_s = self._seen(run, "start_time")
        self.session = _iso(started_s) if started_s else _fingerprint(payload)
        # Older clients knew their start to the second, in which several processes can start.
        self._is_session_vague = not started_s or started_s == int(started_s)

    def _row(self, history: Any, payload: bytes) -> dict[str, Any] | None:
        if not self.run_id:
            problem = "has history rows and, before them, no record that says which run it is; "
            self._problem(InputError("no_run_id", problem + "copy the file again"))
            return None
        if self._is_session_vague:
            self.session += f"-{_fingerprint(payload)}"
            self._is_session_vague = False
        row: dict[str, Any] = {}
        for path, value in self._entries(history.item):
            _put(row, path, value)
        if row.get("_step") is None:
            # Clients that leave the step to the server's side write it only where the user gave
            # one; a row without gets the next, as `wandb sync` counts.
            row["_step"] = history.step.num if history.HasField("step") else self._next_step
        if isinstance(row["_step"], int):
            self._next_step = row["_step"] + 1
        self._seen_at(row.get("_timestamp"))
        self.n_rows += 1
        return row

    def _seen(self, record: Any, name: str = "timestamp") -> float | None:
        if not record.HasField(name):
            return None
        time = getattr(record, name)
        return self._seen_at(time.seconds + time.nanos / 1e9)

    def _seen_at(self, epoch_s: Any) -> float | None:
        """The newest time in the file is the run's last sign of life: it never goes back."""
        # A run may log a `_timestamp` of its own, which need not be one.
        if not isinstance(epoch_s, int | float) or not 0 < epoch_s < END_OF_TIME_S:
            return None
        self._newest_s = max(self._newest_s, epoch_s)
        return epoch_s

    def _update(self, payload: dict[str, Any], change: Any, *, keeps_exact: bool = False) -> None:
        """Change config or summary; ``keeps_exact`` keeps a number that comes again as a float.

        The first run record holds a config as it was given; later ones hold it as numbers of 64
        bits, so that 168631869269606400000 comes back as 1.686318692696064e+20 (0.31.0).
        """
        for path, value in self._entries(change.update):
            if keeps_exact and len(path) == 1 and path[0] in payload:
                value = _exact(payload[path[0]], value)
            _put(payload, path, value)
        for item in change.remove:
            *parents, last = _path(item)
            holder: Any = payload
            for name in parents:
                holder = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(holder, dict):
                holder.pop(last, None)

    def _entries(self, items: Sequence[Any]) -> Iterator[tuple[Sequence[str], Any]]:
        """(path, value) of each item of a record that has a value."""
        texts = [item.value_json for item in items]
        try:
            # All in one document: JSON is two thirds of the work, and this halves it.
            values = json.loads(f"[{','.join(texts)}]")
        except (ValueError, RecursionError):
            values = None
        if values is not None and len(values) == len(texts):
            yield from zip(map(_path, items), values, strict=True)
            return
        for item in items:
            try:
                yield _path(item), _value(item)
            except (ValueError, RecursionError) as problem:
                self._problem(
                    InputError(
                        "broken_value",
                        f"has a value of {'.'.join(_path(item))!r} that is not JSON ({problem}; "
                        f"record {self.n_records}); the rest of the record has landed",
                    )
                )

    def _unknown(self, record: Any) -> None:
        from google.protobuf.unknown_fields import UnknownFieldSet

        numbers = sorted(unknown.field_number for unknown in UnknownFieldSet(record))
        if numbers:
            self._problem(
                InputError(
                    "unknown_record",
                    f"has a record of a kind that the installed wandb does not know (field "
                    f"{numbers[0]}, record {self.n_records}); the others have landed, a newer "
                    "version of the warehouse may know it",
                )
            )


def _path(item: Any) -> Sequence[str]:
    """Where a value belongs: `nested_key` holds the keys of a dict that was logged."""
    return getattr(item, "nested_key", None) or (item.key,)


def _value(item: Any) -> Any:
    """The value of one item, also in the form that newer clients may write: not as JSON text."""
    if item.value_json or "value" not in item.DESCRIPTOR.oneofs_by_name:
        return json.loads(item.value_json)
    kind = item.WhichOneof("value")
    if kind == "none":
        return None
    return getattr(item, kind) if kind not in (None, "json") else json.loads(item.json)


def _put(target: dict[str, Any], path: Any, value: Any) -> None:
    """Set a value below a path of keys; what stands in the way is replaced, as W&B does."""
    *parents, last = path
    for name in parents:
        below = target.get(name)
        if not isinstance(below, dict):
            below = target[name] = {}
        target = below
    target[last] = value


def _exact(old: Any, new: Any) -> Any:
    """The new value, with the old one's integers where it has the same numbers as floats."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _exact(old[key], value) if key in old else value for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_exact(*pair) for pair in zip(old, new, strict=True)]
    if type(old) is int and isinstance(new, float):
        try:
            return old if float(old) == new else new
        except OverflowError:
            return new
    return new


def _fingerprint(payload: bytes) -> str:
    """What tells a record from others."""
    return hashlib.sha256(payload).hexdigest()[:FINGERPRINT_CHARACTERS]


def _as_dict(message: Any) -> dict[str, Any]:
    """With the key names of wandb-metadata.json, which the client declares as JSON names."""
    from google.protobuf.json_format import MessageToDict

    return MessageToDict(message)


def _iso(epoch_s: float) -> str:
    moment = datetime.fromtimestamp(epoch_s, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
