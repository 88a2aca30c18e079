"""The shapes of W&B exports: whatever the exporter, the same run lands as the same fields."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest

from extract.errors import InputError
from extract.wandb.records import HistoryRecord, RunRecord, parse, parts, record_of
from tests.python.testing import RUN_ID, a_row, a_run

CONFIG = {"learning_rate": 5e-06, "seed": 8, "compute": 168631869269606400000, "hub": None}
SUMMARY = {"train_loss": 1.2902, "_step": 1000, "oe_eval_metrics/boolq/acc_raw": 0.5}
METADATA = {"args": ["--seed", "8"], "host": "node", "gpu_count": 2}
SYSTEM = {"system.cpu": 12.5, "system.disk./.usageGB": 8.1}
# What the project's own attributes add to the payloads that they repeat.
ATTRS = {"historyKeys": {"lastStep": 1000}, "projectId": "42", "readOnly": True}

# One run as it lands.
LANDED = {
    "run_id": RUN_ID,
    "entity": "ml-moe",
    "project": "ft-scaling",
    "display_name": "a display name",
    "state": "finished",
    "created_at": "2025-09-13T00:30:23Z",
    "heartbeat_at": "2025-09-13T06:33:45Z",
    "tags": ["match_150M", "finetune"],
    "group": "a group",
    "job_type": "train",
    "sweep_name": "a sweep",
    "description": "a description",
    "notes": "some notes",
    "commit": "22a1f16d891ae31f18f70deccaf178994e306e5b",
    "user": {"username": "someone"},
    "history_line_count": 10,
    "config": CONFIG,
    "summary": SUMMARY,
    "wandb_metadata": METADATA,
    "system_metrics": SYSTEM,
}
IDENTITY = {key: LANDED[key] for key in ("run_id", "entity", "project")}


def as_text(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return record | {name: json.dumps(record[name]) for name in names}


def wrapped(config: dict[str, Any]) -> dict[str, Any]:
    """A config as W&B's server stores it."""
    return {key: {"value": value, "desc": None} for key, value in config.items()}


CAMEL_CASE = {
    "displayName": LANDED["display_name"],
    "state": LANDED["state"],
    "createdAt": LANDED["created_at"],
    "heartbeatAt": LANDED["heartbeat_at"],
    "tags": LANDED["tags"],
    "group": LANDED["group"],
    "jobType": LANDED["job_type"],
    "sweepName": LANDED["sweep_name"],
    "description": LANDED["description"],
    "notes": LANDED["notes"],
    "commit": LANDED["commit"],
    "user": LANDED["user"],
    "historyLineCount": 10,
}
REPEATED = {
    "config": CONFIG,
    "rawconfig": wrapped(CONFIG),
    "summaryMetrics": SUMMARY,
    "systemMetrics": SYSTEM,
    "metadata": METADATA,
}
PAYLOADS = ("config", "summary", "wandb_metadata", "system_metrics")
WITHOUT_PAYLOADS = {key: value for key, value in LANDED.items() if key not in PAYLOADS}

SHAPES: dict[str, dict[str, Any]] = {
    # 1.1 component dump, one line each
    "flat, objects": LANDED,
    "flat, JSON text": as_text(LANDED, *PAYLOADS),
    "flat, tags as JSON text": as_text(LANDED, "tags"),
    "flat, wrapped config": LANDED | {"config": wrapped(CONFIG)},
    "flat, wrapped config as JSON text": as_text(LANDED | {"config": wrapped(CONFIG)}, "config"),
    "flat, payloads in system_attrs only": WITHOUT_PAYLOADS | {"system_attrs": REPEATED},
    "flat, rawconfig only": {key: value for key, value in LANDED.items() if key != "config"}
    | {"system_attrs": {"rawconfig": wrapped(CONFIG)}},
    "flat, payloads repeated": LANDED | {"system_attrs": REPEATED},
    "flat, empty payloads and full attributes": LANDED
    | {name: {} for name in PAYLOADS} | {"system_attrs": json.dumps(REPEATED)},
    # 1.2 dr_wandb 3.x
    "run and exported_at": {
        "run": {
            key: value for key, value in LANDED.items() if key not in ("summary", "wandb_metadata")
        } | {"summary_metrics": SUMMARY, "metadata": METADATA},
        "exported_at": "2025-10-01T00:00:00Z",
    },
    "run with the name of older SDKs": {
        "run": {**{k: v for k, v in LANDED.items() if k != "display_name"},
                "name": LANDED["display_name"]},
    },
    "run with both names, the display name decides": {"run": {"name": RUN_ID, **LANDED}},
    # 1.3 raw extract
    "raw extract": IDENTITY | {
        "exported_at": "2025-10-01T00:00:00Z", "raw_run_hash": "00",
        "raw_run": {"name": RUN_ID, **CAMEL_CASE, **REPEATED},
    },
    "raw extract, JSON text": IDENTITY | {"raw_run": json.dumps(CAMEL_CASE | REPEATED)},
    # 1.4 checkpointed exporter
    "both summaries": {k: v for k, v in LANDED.items() if k != "summary"}
    | {"summary": "{}", "summary_metrics": json.dumps(SUMMARY)},
    "the summary twice": LANDED | {"summary_metrics": json.dumps(SUMMARY), "user": LANDED["user"]},
    "empty summary first": {"summary": {}, "summaryMetrics": SUMMARY}
    | {k: v for k, v in LANDED.items() if k != "summary"},
    "nulls for what it lacks": {"summaryMetrics": None, "metadata": None, "name": None} | LANDED,
}  # fmt: skip


def one(document: Any) -> Any:
    (record,) = parse(document)
    return record


def run_fields(document: Any) -> dict[str, Any]:
    record = one(document)
    assert isinstance(record, RunRecord)
    return record.fields


def history_fields(document: Any) -> dict[str, Any]:
    record = one(document)
    assert isinstance(record, HistoryRecord)
    return record.fields


def refusal(document: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        list(parse(document))
    return caught.value


# -- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_run_lands_as_the_same_fields(shape: str) -> None:
    document = copy.deepcopy(SHAPES[shape])
    fields = run_fields(document)
    fields.pop("system_attrs", None)
    assert fields == LANDED
    assert document == SHAPES[shape]  # the parser leaves its input alone


def test_the_sample_has_a_run_of_this_shape_for_every_payload() -> None:
    fields = run_fields(as_text(a_run(sweep_info={"sweep_id": None}), "sweep_info"))
    assert fields["sweep_info"] == {"sweep_id": None}


def test_when_it_was_exported_is_kept_beside_the_fields() -> None:
    """It differs at every export, so it must not be part of what is hashed as the content."""
    for shape in ("run and exported_at", "raw extract"):
        record = one(SHAPES[shape])
        assert record.exported_at == "2025-10-01T00:00:00Z"
        assert "exported_at" not in record.fields
    assert one(a_run(exported_at="2025-10-02")).exported_at == "2025-10-02"
    assert one(a_run()).exported_at is None
    assert one(a_run(exported_at=1)).exported_at is None


def test_system_attrs_keep_what_nothing_else_has_and_lose_what_repeats() -> None:
    """The repeats are half of an export's bytes."""
    fields = run_fields(LANDED | {"system_attrs": ATTRS | REPEATED})
    assert fields["system_attrs"] == ATTRS
    fields = run_fields(LANDED | {"system_attrs": ATTRS | {"summary_metrics": {}, "metadata": {}}})
    assert fields["system_attrs"] == ATTRS


def test_system_attrs_of_a_raw_extract_are_its_attributes() -> None:
    fields = run_fields(IDENTITY | {"raw_run": CAMEL_CASE | REPEATED | ATTRS})
    assert fields["system_attrs"] == CAMEL_CASE | ATTRS


def test_a_payload_of_the_record_wins_over_its_repeat() -> None:
    repeat = {"config": {"seed": 1}, "summaryMetrics": {"train_loss": 2}}
    fields = run_fields(LANDED | {"system_attrs": repeat})
    assert (fields["config"], fields["summary"]) == (CONFIG, SUMMARY)


def test_unknown_keys_are_kept_in_extra() -> None:
    """Nothing of an export is lost, not even what no known exporter writes."""
    more = {"url": "https://x", "read_only": False, "json_config": "{}", "new": {"a": [1]}}
    fields = run_fields(LANDED | more | {"nothing": None})
    assert fields["extra"] == more
    assert fields.items() >= LANDED.items()


def test_a_second_value_under_another_name_is_kept_in_extra() -> None:
    fields = run_fields(LANDED | {"summaryMetrics": {"other": 1}, "name": "another name"})
    assert (fields["summary"], fields["display_name"]) == (SUMMARY, LANDED["display_name"])
    assert fields["extra"] == {"summaryMetrics": {"other": 1}, "name": "another name"}


def test_nulls_and_empty_text_are_absent() -> None:
    fields = run_fields({"run_id": "r", "state": None, "config": "", "summary": " ", "tags": None})
    assert fields == {"run_id": "r"}
    assert run_fields({"run_id": "r", "config": "null"}) == {"run_id": "r"}


def test_a_wrapped_config_is_unwrapped_only_when_all_of_it_is_wrapped() -> None:
    """A parameter may itself be an object with a key `value`."""
    wandb = {"_wandb": {"cli_version": "0.21"}}
    assert run_fields(a_run(config=wrapped(CONFIG) | wandb))["config"] == CONFIG | wandb
    inner = {"value": 1, "other": 2}
    assert run_fields(a_run(config=wrapped({"a": inner})))["config"] == {"a": inner}
    for plain in ({"a": {"value": 1}, "b": 2}, {"a": inner}, {}, {"value": 1}):
        assert run_fields(a_run(config=plain))["config"] == plain


def test_big_integers_in_json_text_stay_exact() -> None:
    fields = run_fields(a_run(config='{"compute": 168631869269606400001, "x": NaN}'))
    assert fields["config"]["compute"] == 168631869269606400001
    assert math.isnan(fields["config"]["x"])


@pytest.mark.parametrize("name", ["config", "summary", "wandb_metadata", "system_attrs"])
@pytest.mark.parametrize("value", ['{"a": ', "{'a': 1}", "[1]", [1], 1, "1", True])
def test_a_payload_that_is_not_an_object_is_refused_by_name(name: str, value: Any) -> None:
    problem = refusal(a_run(**{name: value}))
    assert problem.reason == "broken_payload"
    assert name in str(problem)


@pytest.mark.parametrize("run_id", [None, "", 5, ["r"]])
def test_a_run_needs_an_id(run_id: Any) -> None:
    assert refusal(a_run(run_id=run_id)).reason == "no_run_id"
    assert refusal({"run": a_run(run_id=run_id)}).reason == "no_run_id"


# -- history --------------------------------------------------------------------------------------

METRICS = {"train_loss": 0.5, "learning_rate": 1e-06, "total_tokens": 9062103}
ROW = {"run_id": RUN_ID, "step": 100, "timestamp": 1755581965.27, "runtime": 386.35}
LANDED_ROW = ROW | METRICS | {"metrics": {"grad": 2.0}}

ROW_SHAPES: dict[str, Any] = {
    "nested": ROW | {"metrics": METRICS | {"grad": 2.0}},
    "nested with containers": ROW
    | {"wandb_metadata": {}, "metrics": METRICS, "extra": {"grad": 2.0}},
    "nested as JSON text": ROW | {"metrics": json.dumps(METRICS | {"grad": 2.0})},
    "flattened": ROW | METRICS | {"grad": 2.0, "other": None},
    "underscores": {"run_id": RUN_ID, "_step": 100, "_timestamp": ROW["timestamp"],
                    "_runtime": 386.35, "_wandb": {"runtime": 386}, "metrics": METRICS,
                    "extra_cols": {"grad": 2.0}},
    "underscores beside nulls": {
        "run_id": RUN_ID, "step": None, "timestamp": None, "runtime": None, "_step": 100,
        "_timestamp": ROW["timestamp"], "_runtime": 386.35, "metrics": METRICS | {"grad": 2.0},
    },
    "of a table of doubles": ROW | METRICS | {"step": 100.0, "total_tokens": 9062103.0,
                                             "grad": 2.0},
    "one run a line": {"run_id": RUN_ID, "history": [
        {key: value for key, value in ROW.items() if key != "run_id"} | METRICS | {"grad": 2.0}]},
    "one array a line": [ROW | METRICS | {"grad": 2.0}],
}  # fmt: skip


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_every_shape_of_a_history_row_lands_as_the_same_fields(shape: str) -> None:
    document = copy.deepcopy(ROW_SHAPES[shape])
    fields = history_fields(document)
    other = document.get("_wandb") if isinstance(document, dict) else None
    assert fields.pop("other", None) == (other and {"_wandb": other})
    assert fields == LANDED_ROW
    assert document == ROW_SHAPES[shape]


def test_an_array_holds_many_rows_and_may_hold_none() -> None:
    rows = [record.fields["step"] for record in parse([a_row(n) for n in (1, 2, 2, 5)])]
    assert rows == [1, 2, 2, 5]
    assert list(parse([])) == []
    assert list(parse({"run_id": RUN_ID, "history": []})) == []


def test_rows_of_a_nested_list_belong_to_the_run_that_holds_them() -> None:
    document = {
        "run_id": "r",
        "entity": "e",
        "project": "p",
        "history": [{"_step": 1}, {"_step": 2}],
    }
    assert list(parse(document)) == [
        HistoryRecord({"run_id": "r", "step": 1}, "e", "p"),
        HistoryRecord({"run_id": "r", "step": 2}, "e", "p"),
    ]


def test_a_run_may_bring_its_rows_along() -> None:
    run, *rows = parse(a_run(history=[{"_step": 1}, {"_step": 2}]))
    assert isinstance(run, RunRecord)
    assert run.fields == run_fields(a_run())
    assert [row.fields for row in rows] == [{"run_id": RUN_ID, "step": n} for n in (1, 2)]


def test_one_bad_element_of_an_array_does_not_hide_the_others() -> None:
    """A whole export may be one array on one line."""
    documents = list(parts([a_row(1), 5, {"run_id": "r", "history": [{"_step": 1}, None]}, []]))
    assert documents == [
        a_row(1), 5, {"run_id": "r", "entity": None, "project": None, "_step": 1}, None, [],
    ]  # fmt: skip


@pytest.mark.parametrize("step", [True, False, 1.5, "100", math.nan, math.inf, [1], 2**63])
def test_a_step_that_is_no_integer_is_kept_but_not_as_the_step(step: Any) -> None:
    """`true` is an int in Python: it once was step 1."""
    fields = history_fields({"run_id": "r", "step": step, "train_loss": 1.0})
    assert "step" not in fields
    assert repr(fields["metrics"]["_step"]) == repr(step)


@pytest.mark.parametrize("timestamp", ["1755581965.27", "2025-08-19T05:39:25Z", math.nan, True])
def test_a_timestamp_that_is_no_number_is_kept_for_the_models(timestamp: Any) -> None:
    fields = history_fields(a_row(timestamp=timestamp))
    assert "timestamp" not in fields
    assert repr(fields["metrics"]["_timestamp"]) == repr(timestamp)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", math.nan, -math.inf, 2**53 + 1, -(2**53) - 1, True, "0.5", [1]]
)
def test_a_core_metric_that_a_double_does_not_hold_stays_as_it_was(value: Any) -> None:
    fields = history_fields(a_row(metrics={"train_loss": value}))
    assert "train_loss" not in fields
    assert repr(fields["metrics"]["train_loss"]) == repr(value)


@pytest.mark.parametrize("value", [0, -1, 2**53, 9266646.0, 5e-324, 1.7e308])
def test_a_core_metric_that_is_a_plain_number_stands_on_its_own(value: Any) -> None:
    fields = history_fields(a_row(metrics={"total_tokens": value}))
    assert repr(fields["total_tokens"]) == repr(value)
    assert "metrics" not in fields


def test_metrics_without_a_value_are_dropped() -> None:
    assert history_fields({"run_id": "r", "step": 1, "train_loss": None, "x": None}) == {
        "run_id": "r", "step": 1,
    }  # fmt: skip


def test_a_row_says_which_project_it_is_of_only_if_it_does() -> None:
    record = one(a_row(entity="e", project="p"))
    assert (record.entity, record.project) == ("e", "p")
    assert "entity" not in record.fields and "entity" not in record.fields["metrics"]
    record = one(a_row(entity="", project=5))
    assert (record.entity, record.project) == (None, None)


def test_broken_metrics_are_refused() -> None:
    assert refusal(a_row(metrics='{"a": ')).reason == "broken_payload"
    assert refusal(a_row(metrics=[1])).reason == "broken_payload"


# -- neither --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [1, "text", None, True, {}, {"a": 1}, {"run_id": "r"}, {"run_id": "r", "other": 1}, [1],
     ["text"], {"run": "text"}, {"run_id": "r", "history": [1]}, {"run_id": "r", "history": "x"},
     {"run_id": 5, "step": 1, "history": [None]}],
)  # fmt: skip
def test_anything_else_is_refused_and_says_where_to_look(document: Any) -> None:
    problem = refusal(document)
    assert problem.reason == "unknown_shape"
    assert "wandb-files --help" in str(problem)


def test_the_keys_of_an_unknown_shape_are_in_the_message() -> None:
    assert "keys: alpha, beta" in str(refusal({"beta": 1, "alpha": 2}))


def test_nested_evaluations_are_flat_again() -> None:
    """One exporter nested keys at their slashes; the evaluations of such runs were lost."""
    summary = {"oe_eval_metrics": {"arc_easy": {"acc_raw": 0.5}}, "train_loss": 1}
    record = record_of({"run_id": "r", "state": "finished", "summary": summary})
    assert record.fields["summary"] == {
        "oe_eval_metrics/arc_easy": {"acc_raw": 0.5},
        "train_loss": 1,
    }
