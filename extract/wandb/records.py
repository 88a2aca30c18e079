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
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from extract.errors import FileError, InputError
from extract.landing.encoding import dump_json

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
# Entries of a stored config that are W&B's own: what it observed, and the version of the form.
_CONFIG_BOOKKEEPING = frozenset({"_wandb", "wandb_version"})

HISTORY_CORE_METRICS = ("train_loss", "learning_rate", "total_tokens")
HISTORY_FIELDS = ("run_id", "step", "timestamp", "runtime", *HISTORY_CORE_METRICS, "metrics")
_HISTORY_CLOCKS = ("step", "timestamp", "runtime")
# Only a row of history has these, whatever else was logged in it.
_LOGGED_CLOCKS = ("_step", "_timestamp", "_runtime")
_LOGGED_COLUMNS = (*_LOGGED_CLOCKS, "_wandb")
# Where exporters put what was logged, apart from the clocks, and what they add of their own.
_HISTORY_CONTAINERS = ("metrics", "extra", "extra_cols")
_HISTORY_BOOKKEEPING = ("_wandb", "wandb_metadata")
_BESIDE_CONTAINERS = frozenset(
    {*_HISTORY_CONTAINERS, *_HISTORY_BOOKKEEPING, *_HISTORY_CLOCKS, "entity", "project"}
)
_HISTORY_MARKERS = frozenset({"step", "timestamp", "metrics", *HISTORY_CORE_METRICS})
# What says, of a row that names no run, that it is one.
_ROW_MARKERS = _HISTORY_MARKERS - {"step"} | {"runtime"}
_RUN_MARKERS = frozenset(
    {
        "config", "summary", "summary_metrics", "summaryMetrics", "state", "created_at",
        "createdAt", "system_attrs", "run_name",
    }
)  # fmt: skip
_RUN_PAYLOAD_MARKERS = ("config", "summary", "summary_metrics", "summaryMetrics", "system_attrs")
# W&B's own ids of a run, as its GraphQL API gives them: base64 of `Run:`.
_STORAGE_ID = "UnVu"
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


class RunName(NamedTuple):
    """A run, and its project where that is known."""

    run_id: str
    entity: str | None = None
    project: str | None = None


class UnnamedRunError(InputError):
    """A row of history that does not say of which run it is."""

    def __init__(self) -> None:
        super().__init__(
            "no_run_id",
            "is history that does not say of which run: name the run with --run "
            "ENTITY/PROJECT/ID, or give the file the run's id as its name",
        )


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
        if (
            not isinstance(item, dict)
            or not isinstance(item.get("history"), list)
            or isinstance(item.get("run"), dict)
            or "run_id" not in item
            or _is_logged(item)
        ):
            yield item
            continue
        if not _RUN_MARKERS.isdisjoint(item):
            yield {key: value for key, value in item.items() if key != "history"}
        shared = {key: item.get(key) for key in ("run_id", "entity", "project")}
        for row in item["history"]:
            yield {**shared, **row} if isinstance(row, dict) else row


def record_of(document: Any, of: RunName | None = None) -> RunRecord | HistoryRecord:
    """The one record of a part; ``of`` is the run of a row of history that names none.

    What a document is, is told by what only such a one has. Raises ``InputError`` when it is of no
    known shape, ``FileError`` when the table that it holds is written in another way.
    """
    if not isinstance(document, dict):
        raise _unknown(f"it is a bare {type(document).__name__}")
    first = next(iter(document.values()), None)
    if isinstance(first, dict | list) and _is_table(document):
        raise FileError(
            "by_columns",
            "is a table that is not written row by row; write a record for each row instead, as "
            "pandas' to_json(FILE, orient='records', lines=True) does",
        )
    if _is_logged(document):
        return _history(document, of)
    if _is_graphql(document):
        raise FileError(
            "graphql",
            "is an answer of W&B's GraphQL API, not an export; land the runs with "
            "`python -m extract wandb ENTITY/PROJECT`",
        )
    if isinstance(document.get("run"), dict):
        return _run(document["run"], document.get("exported_at"))
    if "raw_run" in document:
        return _raw_run(document)
    has_run_id = "run_id" in document
    is_run = not _RUN_MARKERS.isdisjoint(document) and not _is_bare_row(document)
    if is_run and has_run_id:
        return _run(document, document.get("exported_at"))
    if is_run and isinstance(document.get("id"), str):  # what the client calls it
        named = {"run_id" if key == "id" else key: value for key, value in document.items()}
        return _run(named, document.get("exported_at"))
    if has_run_id and not _HISTORY_MARKERS.isdisjoint(document):
        return _history(document, of)
    if not is_run and document.get("step") is not None and not _ROW_MARKERS.isdisjoint(document):
        return _history(document, of)
    if not has_run_id:
        raise _unknown(f"it has no run_id (its keys: {', '.join(sorted(document)[:8])})")
    raise _unknown(f"its keys are {', '.join(sorted(document)[:8])}")


def _is_logged(document: dict[str, Any]) -> bool:
    """Whether it has a column that W&B adds to each row of a history, and to nothing else."""
    return any(document.get(name) is not None for name in _LOGGED_COLUMNS)


def _is_bare_row(document: dict[str, Any]) -> bool:
    """Whether it is a row whose exporter took W&B's underscores away, and not a run.

    A run has no step of its own; a row may have logged a `state`, but no exporter puts the payloads
    of a run into one.
    """
    step = document.get("step")
    return (
        isinstance(step, int | float)
        and not isinstance(step, bool)
        and not any(_holds_object(document.get(name)) for name in _RUN_PAYLOAD_MARKERS)
    )


def _holds_object(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, str) and value.lstrip().startswith("{"))


def _is_table(document: dict[str, Any]) -> bool:
    """Whether all rows are in one document: what pandas and polars write unless they are told."""
    values = list(document.values())
    if isinstance(document.get("columns"), list) and (
        len(document) == 1 or isinstance(document.get("data"), list)
    ):
        return True
    if isinstance(document.get("schema"), dict) and isinstance(document.get("data"), list):
        return True
    if all(isinstance(value, dict) for value in values):
        shared = values[0].keys()
        return (
            bool(shared)
            and all(value.keys() == shared for value in values)
            and any(all(key.isdecimal() for key in keys) for keys in (shared, document))
        )
    return (
        all(isinstance(value, list) for value in values)
        and len({len(value) for value in values}) == 1
        and not any(isinstance(item, dict) for value in values for item in value[:1])
    )


def _is_graphql(document: dict[str, Any]) -> bool:
    if isinstance(document.get("edges"), list) or isinstance(document.get("node"), dict):
        return "run_id" not in document
    for name in ("data", "project"):
        inner = document.get(name)
        if isinstance(inner, dict) and not {"run_id", "run"} & document.keys():
            return True
    storage_id = document.get("id")
    return (
        isinstance(storage_id, str)
        and storage_id.startswith(_STORAGE_ID)
        and "run_id" not in document
        and "name" in document
    )


def _unknown(why: str) -> InputError:
    return InputError(
        "unknown_shape",
        f"is neither a run nor a history row: {why}. Known shapes: see "
        "`python -m extract wandb-files --help`",
    )


def _raw_run(document: dict[str, Any]) -> RunRecord:
    attrs = _decoded(document["raw_run"], "raw_run") or {}
    known = {key: value for key, value in document.items() if key != "raw_run"}
    known.pop("raw_run_hash", None)
    record = {**{key: attrs.get(key) for key in RUN_RENAMES if key in attrs}, **known}
    for key in RUN_FIELDS:
        if key in attrs:
            record.setdefault(key, attrs[key])
    return _run(record | {"system_attrs": attrs}, document.get("exported_at"))


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
    fields["config"], stored = _unwrapped(fields.get("config"))
    extra |= stored
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


def _unwrapped(config: dict[str, Any] | None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """A config as it was given, and what else its stored form holds.

    W&B stores {"key": {"value": ..., "desc": ...}}; exports mostly unwrap it, its config.yaml does
    not. A parameter may itself be an object with a key `value`, so one without `desc` is a wrapping
    only where nothing is unwrapped.
    """
    entries = {k: v for k, v in (config or {}).items() if k not in _CONFIG_BOOKKEEPING}
    if not config or not entries:
        return config, {}
    is_stored = "wandb_version" in config or any(map(_has_description, entries.values()))
    if not is_stored and not all(map(_is_wrapped, entries.values())):
        return config, {}
    clean = {
        key: item["value"] if _is_wrapped(item) else item
        for key, item in config.items()
        if key != "wandb_version"
    }
    return clean, {key: config[key] for key in config.keys() - clean.keys()}


def _is_wrapped(item: Any) -> bool:
    return isinstance(item, dict) and "value" in item and item.keys() <= {"value", "desc"}


def _has_description(item: Any) -> bool:
    return _is_wrapped(item) and "desc" in item


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


def _history(row: dict[str, Any], of: RunName | None) -> HistoryRecord:
    entity, project = _text(row.get("entity")), _text(row.get("project"))
    # Half of a name is none: an exporter names both, and a run may log a `project`.
    named = ("entity", "project") if entity and project else ()
    run_id = row.get("run_id")
    if isinstance(run_id, str) and run_id:
        named += ("run_id",)
    elif of is None:
        raise UnnamedRunError
    else:
        run_id = of.run_id
        if not named:
            entity, project = of.entity, of.project
    read = _underscored_row if _has_clocks(row) else _bare_row
    return HistoryRecord(read(run_id, row, named), entity, project)


def _has_clocks(row: dict[str, Any]) -> bool:
    return any(row.get(name) is not None for name in _LOGGED_CLOCKS)


def _bare_row(run_id: str, row: dict[str, Any], named: Collection[str]) -> dict[str, Any]:
    """A row whose clocks have lost W&B's underscores, with its metrics flat or in containers."""
    logged = {name: row.get(name) for name in _HISTORY_CLOCKS}
    held = {"_step", "_timestamp", "_runtime", *_HISTORY_CLOCKS, *named}
    containers: dict[str, Any] = {}
    for name in _HISTORY_CONTAINERS:
        value = row.get(name)
        if value is not None and not isinstance(value, int | float):
            containers |= _decoded(value, name) or {}
            held.add(name)
    return _landed_row(run_id, logged, *_parted(row, held, containers))


def _underscored_row(run_id: str, row: dict[str, Any], named: Collection[str]) -> dict[str, Any]:
    """A row with W&B's own columns: every other name is a metric's.

    One exporter put the metrics into containers beside them, and nothing else; a metric called
    `metrics` has others beside it, or is no object.
    """
    logged = {name: row.get(f"_{name}") for name in _HISTORY_CLOCKS}
    held = {*_LOGGED_CLOCKS, *named}
    containers: dict[str, Any] = {}
    holders = [name for name in _HISTORY_CONTAINERS if _holds_object(row.get(name))]
    if holders and not any(
        value is not None and key not in held and key not in _BESIDE_CONTAINERS
        for key, value in row.items()
    ):
        for name in holders:
            containers |= _decoded(row[name], name) or {}
            held.add(name)
    return _landed_row(run_id, logged, *_parted(row, held, containers))


def _parted(
    row: Mapping[str, Any], held: Collection[str], containers: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics of a row, and what W&B and the exporters keep in it of their own."""
    metrics: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for key, value in row.items():
        if value is None or key in held:
            continue
        if key in _HISTORY_BOOKKEEPING and isinstance(value, dict):
            if value:
                other[key] = value
        else:
            metrics[key] = value
    metrics |= {key: value for key, value in containers.items() if value is not None}
    return metrics, other


def logged_row(
    run_id: str, row: Mapping[str, Any], entity: str | None = None, project: str | None = None
) -> HistoryRecord:
    """A row as W&B itself keeps it: flat, the clocks as `_step`, `_timestamp` and `_runtime`.

    Everything else is a metric, whatever it is called: a run may log `step` or `project`.
    """
    logged = {name: row.get(f"_{name}") for name in _HISTORY_CLOCKS}
    fields = _landed_row(run_id, logged, *_parted(row, _LOGGED_CLOCKS, {}))
    return HistoryRecord(fields, entity, project)


def _landed_row(
    run_id: str, logged: dict[str, Any], metrics: dict[str, Any], other: dict[str, Any]
) -> dict[str, Any]:
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
    if other:
        fields["other"] = other  # no model reads it: it is kept because it was exported
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
