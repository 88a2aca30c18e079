"""The shapes of W&B exports, recognised by content and brought into one landed form.

Landed run: the fields of ``RUN_FIELDS`` under their own names, payloads as objects; keys that no
known export has are kept in ``extra``. Landed history row: ``HISTORY_FIELDS``, where the three
metrics that nearly every row has stand on their own when they are plain finite numbers, so that
DuckDB reads them as numbers; everything else, text numbers and NaN included, stays in ``metrics``
exactly as it was exported. Both have a ``session`` when, and only when, they come from the log of
an offline run: it names the process that wrote the log.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from extract.errors import InputError
from extract.landing.zone import dump_json

RUN_PAYLOADS = (
    "config", "summary", "wandb_metadata", "system_metrics", "system_attrs", "sweep_info",
)  # fmt: skip
RUN_FIELDS = (
    "entity", "project", "run_id", "run_name", "display_name", "state", "created_at",
    "updated_at", "heartbeat_at", "tags", "group", "job_type", "sweep_name", "description",
    "notes", "commit", "user", "history_line_count", *RUN_PAYLOADS,
)  # fmt: skip
# Other names that the older exporters gave to the same fields; of several the first one counts.
RUN_RENAMES = {
    "displayName": "display_name",
    "name": "display_name",  # in raw extracts the run id
    "summary_metrics": "summary",
    "summaryMetrics": "summary",
    "metadata": "wandb_metadata",
    "systemMetrics": "system_metrics",
    "createdAt": "created_at",
    "updatedAt": "updated_at",
    "heartbeatAt": "heartbeat_at",
    "jobType": "job_type",
    "sweepName": "sweep_name",
    "historyLineCount": "history_line_count",
    "username": "user",
}
_PRECEDENCE = {name: position for position, name in enumerate(RUN_RENAMES, start=1)}
# `system_attrs` repeats these payloads (spec wandb_source, section 2): half of an export's bytes.
REPEATED_IN_ATTRS = {
    "config": "config",
    "rawconfig": "config",
    "summaryMetrics": "summary",
    "summary_metrics": "summary",
    "systemMetrics": "system_metrics",
    "system_metrics": "system_metrics",
    "metadata": "wandb_metadata",
}

EVALUATIONS = "oe_eval_metrics"

HISTORY_CORE_METRICS = ("train_loss", "learning_rate", "total_tokens")
HISTORY_FIELDS = ("run_id", "step", "timestamp", "runtime", *HISTORY_CORE_METRICS, "metrics")
_HISTORY_CLOCKS = ("step", "timestamp", "runtime")
_LOGGED_CLOCKS = frozenset({"_step", "_timestamp", "_runtime", "_wandb"})
_HISTORY_CONTAINERS = ("metrics", "extra", "extra_cols")
_HISTORY_OTHER = ("wandb_metadata", "_wandb", "entity", "project")
_HISTORY_MARKERS = frozenset(
    {"step", "_step", "timestamp", "_timestamp", "metrics", *HISTORY_CORE_METRICS}
)
_RUN_MARKERS = frozenset(
    {"config", "summary", "summary_metrics", "state", "created_at", "system_attrs", "run_name"}
)
# DOUBLE holds every integer up to here; larger ones stay in `metrics`, where they are text.
MAX_EXACT_INTEGER = 2**53
MIN_BIGINT, MAX_BIGINT = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class RunRecord:
    """One snapshot of a run in the landed form."""

    fields: dict[str, Any]
    exported_at: str | None


@dataclass(frozen=True)
class HistoryRecord:
    """One logged row in the landed form; entity and project only if the row itself names them."""

    fields: dict[str, Any]
    entity: str | None
    project: str | None


def parse(document: Any) -> Iterator[RunRecord | HistoryRecord]:
    """The records of one JSON document (a line of an export).

    Raises ``InputError`` when one is of no known shape; what was yielded before stands.
    """
    return map(record_of, parts(document))


def parts(document: Any) -> Iterator[Any]:
    """A document taken apart into those that hold one record each, so that one can be refused
    and the others land: the elements of an array, the rows in a run's list.
    """
    for item in document if isinstance(document, list) else [document]:
        if not isinstance(item, dict) or isinstance(item.get("run"), dict):
            yield item
        elif isinstance(item.get("history"), list) and "run_id" in item:
            if not _RUN_MARKERS.isdisjoint(item):
                yield {key: value for key, value in item.items() if key != "history"}
            shared = {key: item.get(key) for key in ("run_id", "entity", "project")}
            for row in item["history"]:
                yield {**shared, **row} if isinstance(row, dict) else row
        else:
            yield item


def record_of(document: Any) -> RunRecord | HistoryRecord:
    """The one record of a part. Raises ``InputError`` when it is of no known shape."""
    if not isinstance(document, dict):
        raise _unknown(f"it is a bare {type(document).__name__}")
    if isinstance(document.get("run"), dict):
        return _run(document["run"], document.get("exported_at"))
    if "raw_run" in document:
        attrs = _decoded(document["raw_run"], "raw_run") or {}
        known = {key: value for key, value in document.items() if key != "raw_run"}
        known.pop("raw_run_hash", None)
        record = {**{key: attrs.get(key) for key in RUN_RENAMES if key in attrs}, **known}
        for key in RUN_FIELDS:
            if key in attrs:
                record.setdefault(key, attrs[key])
        return _run(record | {"system_attrs": attrs}, document.get("exported_at"))
    if "run_id" in document and not _RUN_MARKERS.isdisjoint(document):
        return _run(document, document.get("exported_at"))
    if "run_id" in document and not _HISTORY_MARKERS.isdisjoint(document):
        return _history(document)
    if "run_id" not in document:
        raise _unknown(f"it has no run_id (its keys: {', '.join(sorted(document)[:8])})")
    raise _unknown(f"its keys are {', '.join(sorted(document)[:8])}")


def _unknown(why: str) -> InputError:
    return InputError(
        "unknown_shape",
        f"is neither a run nor a history row: {why}. Known shapes: see "
        "`python -m extract wandb-files --help`",
    )


def _run(record: dict[str, Any], exported_at: Any) -> RunRecord:
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key in sorted(record, key=lambda key: _PRECEDENCE.get(key, 0)):
        value = record[key]
        name = RUN_RENAMES.get(key, key)
        if name in RUN_PAYLOADS:
            value = _decoded(value, key)
        if name not in RUN_FIELDS:
            if value is not None and key != "exported_at":
                extra[key] = value
        elif name not in fields or (_is_empty(fields[name]) and not _is_empty(value)):
            fields[name] = value
        elif not _is_empty(value) and value not in (fields[name], fields.get("run_id")):
            extra[key] = value
    run_id = fields.get("run_id")
    if not isinstance(run_id, str) or not run_id:
        raise InputError("no_run_id", "is a run without a run_id (text expected)")
    fields["tags"] = _decoded_list(fields.get("tags"))
    attrs = fields.get("system_attrs")
    if attrs is not None:
        attrs = dict(attrs)
        for key, name in REPEATED_IN_ATTRS.items():
            repeated = _decoded(attrs.pop(key, None), key)
            if not fields.get(name) and repeated:
                fields[name] = repeated
        fields["system_attrs"] = attrs
    fields["config"] = _unwrapped(fields.get("config"))
    fields["summary"] = _flat_evaluations(fields.get("summary"))
    if extra:
        fields["extra"] = extra
    landed = {key: value for key, value in fields.items() if value is not None}
    return RunRecord(landed, exported_at if isinstance(exported_at, str) else None)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _decoded(payload: Any, name: str) -> dict[str, Any] | None:
    """A payload as an object, whether it was exported as an object or as JSON text."""
    if isinstance(payload, str):
        if not payload.strip():
            return None
        try:
            payload = json.loads(payload)
        except ValueError as problem:
            raise InputError(
                "broken_payload", f"has a {name} that is not JSON: {problem}"
            ) from None
    if payload is None or isinstance(payload, dict):
        return payload
    raise InputError(
        "broken_payload", f"has a {name} that is a {type(payload).__name__}, not an object"
    )


def _decoded_list(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _unwrapped(config: dict[str, Any] | None) -> dict[str, Any] | None:
    """W&B stores a config as {"key": {"value": ..., "desc": ...}}; exports mostly unwrap it."""
    if not config or not all(
        isinstance(item, dict) and "value" in item and item.keys() <= {"value", "desc"}
        for key, item in config.items()
        if key != "_wandb"
    ):
        return config
    return {
        key: item["value"] if isinstance(item, dict) and "value" in item else item
        for key, item in config.items()
    }


def _flat_evaluations(summary: dict[str, Any] | None) -> dict[str, Any] | None:
    """One older exporter nested `oe_eval_metrics/<task>` into objects; W&B's own keys are flat."""
    if not summary or not isinstance(summary.get(EVALUATIONS), dict):
        return summary
    nested = {f"{EVALUATIONS}/{task}": value for task, value in summary[EVALUATIONS].items()}
    return nested | {key: value for key, value in summary.items() if key != EVALUATIONS}


def run_line(fields: dict[str, Any], line: int, exported_at: str | None) -> bytes:
    """A run as it lands: its fields, and what tells this snapshot from others of the run."""
    body = dump_json(fields, sort_keys=True)
    envelope = {
        "line": line,
        "exported_at": exported_at,
        "content_sha256": hashlib.sha256(body).hexdigest(),
    }
    return body[:-1] + b"," + dump_json(envelope)[1:]


def _history(row: dict[str, Any]) -> HistoryRecord:
    run_id = row.get("run_id")
    if not isinstance(run_id, str) or not run_id:
        raise InputError("no_run_id", "is a history row without a run_id (text expected)")
    known = {"run_id", *_HISTORY_CONTAINERS, *_HISTORY_OTHER}
    known |= {"step", "_step", "timestamp", "_timestamp", "runtime", "_runtime"}
    metrics = {key: value for key, value in row.items() if key not in known}
    for name in _HISTORY_CONTAINERS:
        metrics |= _decoded(row.get(name), name) or {}
    metrics = {key: value for key, value in metrics.items() if value is not None}
    logged = {}
    for name in _HISTORY_CLOCKS:
        value = row.get(name)
        logged[name] = row.get(f"_{name}") if value is None else value
    fields = _landed_row(run_id, logged, metrics)
    return HistoryRecord(fields, _text(row.get("entity")), _text(row.get("project")))


def logged_row(
    run_id: str, row: Mapping[str, Any], entity: str | None = None, project: str | None = None
) -> HistoryRecord:
    """A row as W&B itself keeps it: flat, the clocks as `_step`, `_timestamp` and `_runtime`.

    Everything else is a metric, whatever it is called: a run may log `step` or `project`.
    """
    logged = {name: row.get(f"_{name}") for name in _HISTORY_CLOCKS}
    metrics = {
        key: value for key, value in row.items() if value is not None and key not in _LOGGED_CLOCKS
    }
    return HistoryRecord(_landed_row(run_id, logged, metrics), entity, project)


def _landed_row(run_id: str, logged: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """The landed form of one row, from its clocks and its metrics, which it may keep."""
    fields: dict[str, Any] = {"run_id": run_id}
    unreadable: dict[str, Any] = {}
    for name, value in logged.items():
        if value is None:
            continue
        if name == "step" and isinstance(value, float) and value.is_integer():
            value = int(value)  # a table of doubles holds step 100 as 100.0
        if _is_plain(value, integer=name == "step"):
            fields[name] = value
        else:
            unreadable[f"_{name}"] = value
    for name in HISTORY_CORE_METRICS:
        if name in metrics and _is_plain(metrics[name], integer=False):
            fields[name] = metrics.pop(name)
    if unreadable or metrics:
        fields["metrics"] = unreadable | metrics
    return fields


def _is_plain(value: Any, *, integer: bool) -> bool:
    """Whether DuckDB reads the value as BIGINT (integer) or DOUBLE without changing it."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return MIN_BIGINT <= value <= MAX_BIGINT if integer else abs(value) <= MAX_EXACT_INTEGER
    return not integer and isinstance(value, float) and math.isfinite(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
