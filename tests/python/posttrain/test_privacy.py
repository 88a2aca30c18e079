"""`posttrain`: nobody is named by what lands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from extract.errors import UsageError
from extract.landing.privacy import PREFIX
from extract.landing.zone import LandingZone
from extract.simulator.posttrain import AUTHOR, HOST, MODELS, OLDER
from tests.python.posttrain.testing import (
    GOOD,
    all_text,
    counts,
    group,
    land,
    questions,
    results,
)
from tests.python.testing import (
    landed,
)


def test_no_personal_data_lands(zone: LandingZone, dumps: Path) -> None:
    """The author's name also where nobody would look for it: in a folder, a file, a model."""
    home = dumps / "home" / "calvin" / f"{AUTHOR}_runs" / "org_model__main"
    shutil.copytree(results(dumps), home)
    (home / f"{AUTHOR}-predictions.jsonl").write_text("broken")
    record = json.loads((home / f"{group(0)}-metrics.json").read_text())
    record |= {
        "model_config": {"model": f"/weka/{AUTHOR}/ckpt/step_500", "user": "susan"},
        "extra_member": f"see /home/daneel/{AUTHOR}.txt or ask elijah@example.org",
    }
    (home / "other-metrics.json").write_text(json.dumps(record))
    assert counts(land(zone, dumps)) == (5, 0, 1)
    text = all_text(zone)
    for name in (AUTHOR, HOST, "calvin", "susan", "daneel", "elijah", "example.org"):
        assert name not in text, name
    (row,) = (row for row in landed(zone, "records") if row["file"] == "other-metrics.json")
    assert json.loads(row["model_config"])["model"].endswith("/step_500")
    job = json.loads(row["beaker_info"])
    assert job["BEAKER_EXPERIMENT_ID"] == "01JNC4X9Q4R0W3S6T1VZ8E2YKB"
    assert job["BEAKER_AUTHOR"].startswith(PREFIX)


def test_what_is_not_personal_stays(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps)
    for row in landed(zone, "records"):
        config = json.loads(row["task_config"])
        assert config["generation_kwargs"]["stop_sequences"] == ["</s>", "Question:"]
        assert config["dataset_path"].startswith("hub/")
        assert json.loads(row["model_config"])["model"] in dict(MODELS)
        assert json.loads(row["task_config"])["limit"] == 10**19
    kept = LandingZone(zone.root.parent / "kept")
    land(kept, dumps, key=None)
    for left, right in zip(landed(zone, "records"), landed(kept, "records"), strict=True):
        for key in ("task_config", "model_config", "metrics", "directory", "config_sha256"):
            assert left[key] == right[key]
    assert questions(zone) == questions(kept)


def test_a_word_that_is_the_name_of_nobody_stays(zone: LandingZone, tmp_path: Path) -> None:
    """Accounts such as `user` are words of every chat template."""
    folder = tmp_path / "home" / "user" / "m__r"
    folder.mkdir(parents=True)
    record = {
        "task_name": "x", "task_config": {"template": "user: {question} see </home/user/a>"},
        "metrics": {"pass@1": 0.5},
    }  # fmt: skip
    (folder / "x-metrics.json").write_text(json.dumps(record))
    land(zone, tmp_path / "home")
    (row,) = landed(zone, "records")
    assert row["directory"] == "home/user/m__r"
    assert json.loads(row["task_config"])["template"].startswith("user: {question} see </")
    assert json.loads(row["metrics"]) == {"pass@1": 0.5}


def test_one_zone_has_one_key(zone: LandingZone, dumps: Path) -> None:
    land(zone, dumps / OLDER)
    for key in ("another key, long enough", None):
        with pytest.raises(UsageError, match=r"pseudonym key|clear text"):
            land(zone, dumps, key=key)


def test_predictions_name_nobody(zone: LandingZone, tmp_path: Path) -> None:
    """Texts that a model has generated stay as they are; whatever else is text is cleaned."""
    folder = tmp_path / "m__r"
    folder.mkdir()
    (folder / "a-metrics.json").write_text(
        json.dumps({"task_name": "a", "beaker_info": {"author": {"name": "merry"}}})
    )
    text = "hello merry, mail elladan@example.org"
    documents = [
        {
            "doc_id": 0, "native_id": "/home/faramir/x", "host": "legolas", "note": "of merry",
            "metrics": {"acc_raw": 1, "judge_user": "thorin"}, "label": "a",
            "model_output": [{"continuation": text, "path": "/home/gimli/z", "by": "a@gimli.org"}],
        },
        {"doc_id": 1, "native_id": "test/algebra/1.json", "metrics": {}, "model_output": []},
    ]  # fmt: skip
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    (folder / "a-predictions.jsonl").write_text(lines)
    broken = {"doc_id": 0, "metrics": {"acc_raw": "of bilbo"}, "model_output": [{}]}
    (folder / "b-predictions.jsonl").write_text(json.dumps(broken) + "\n")
    assert counts(land(zone, tmp_path)) == (1, 0, 1)
    found = all_text(zone)
    for name in ("faramir", "legolas", "thorin", "gimli", "bilbo"):
        assert name not in found, name
    first, second = sorted(questions(zone), key=lambda row: row["doc_id"])
    extra = json.loads(first["extra"])
    assert extra["model_output"][0]["continuation"] == text and "merry" not in extra["note"]
    assert (second["native_id"], second["extra"]) == ("test/algebra/1.json", None)


@pytest.mark.parametrize("below", ["evals/m__r", "m__r", ""])
def test_a_folder_that_was_named_names_nobody(
    zone: LandingZone, tmp_path: Path, below: str
) -> None:
    home = tmp_path / "radagast"
    (home / below).mkdir(parents=True)
    (home / below / "metrics-all.jsonl").write_bytes(GOOD + b"broken\n")
    land(zone, home)
    land(zone, tmp_path / "radagast2")
    assert "radagast" not in all_text(zone)
    if below:
        assert {row["folder"] for row in landed(zone, "records")} == {"m__r"}
