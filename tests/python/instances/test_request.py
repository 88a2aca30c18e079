"""`instances`: what is asked for, and what is said of what is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from extract.errors import UsageError
from extract.instances.request import Request
from extract.landing.zone import LandingZone
from tests.python.instances.testing import (
    KEYS,
    OTHER,
    RECIPE,
    Key,
    N,
    counts,
    keys_of,
    land,
    parquet,
    reasons,
    rows,
)
from tests.python.testing import (
    cli,
    summary_of,
)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"params": ["4m"]}, KEYS[3:]),
        ({"seeds": ["14"]}, KEYS[2:3]),
        ({"seeds": ["default"], "params": ["150M"]}, KEYS[:2]),
        ({"seeds": ["small_aux_2", "Small Aux-2"]}, KEYS[2:3]),
        ({"steps": [2500]}, KEYS[1:2]),
        ({"steps": [1250, 2500], "params": ["150M", "4M"], "seeds": ["2"]},
         [KEYS[0], KEYS[1], KEYS[3]]),
    ],
)  # fmt: skip
def test_filters(
    zone: LandingZone, archive: Path, asked: dict[str, Any], expected: list[Key]
) -> None:
    assert counts(land(zone, archive, **asked)) == (len(expected), 0, 0)
    assert keys_of(zone) == {(RECIPE, *key): 66 for key in expected}


def test_the_task_filter_also_takes_suites(zone: LandingZone, archive: Path) -> None:
    land(zone, archive, steps=[2500], tasks=["BoolQ", "piqa"])
    assert {row["task"] for row in rows(zone, "tasks")} == {"boolq", "piqa"}
    land(zone, archive, steps=[2500], tasks=["mmlu"])
    assert len(rows(zone, "tasks")) == 59


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"steps": [99]}, "--step 99"),
        ({"seeds": ["2", "15"], "params": ["1B", "4M"]}, "--params 1B, --seed 15"),
        ({"seeds": ["14"], "steps": [2500]}, "with these options together"),
    ],
)
def test_what_an_archive_does_not_have_is_told(
    zone: LandingZone, archive: Path, asked: dict[str, Any], why: str
) -> None:
    summary = land(zone, archive, **asked)
    assert summary.refused == 1 and why in summary.messages[0]
    assert set(reasons(zone).values()) == {"no_such_checkpoint"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipes": ["dolma1.7-no-cod"]}, "'dolma1.7-no-code'"),
        ({"recipes": ["Falcon+CC (QC 11%)"]}, "'Falcon+CC (QC 10%)'"),
        ({"recipes": ["zzz"]}, "'zzz' is no recipe; all 25"),
        ({"recipes": ["c4"], "params": ["151M"]}, "--params 151M: there is no such size"),
        ({"recipes": ["c4"], "seeds": ["3"]}, "2 (default)"),
        ({"recipes": ["c4"], "tasks": ["arc"]}, "--task arc: there is no such task"),
        ({"recipes": ["c4"], "tasks": ["hellaswg"]}, "did you mean 'hellaswag'"),
    ],
)
def test_wrong_usage_comes_with_suggestions(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as problem:
        Request.of(**arguments)
    assert message in str(problem.value)


def test_recipes_by_every_name(tmp_path: Path) -> None:
    assert Request.of(["c4", "C4", "Dolma1.7 (no code)"]).recipes == ("c4", OTHER)
    assert len(Request.of(["all"]).recipes) == 25
    result = cli("instances", "c5", "--raw-dir", tmp_path / "raw")
    assert result.returncode == 2 and "'c4'" in result.stderr
    assert not (tmp_path / "raw").exists()


def test_keep_tarballs_is_about_downloads(tmp_path: Path) -> None:
    result = cli("instances", RECIPE, "--source", tmp_path, "--keep-tarballs", "--raw-dir",
                 tmp_path / "raw")  # fmt: skip
    assert result.returncode == 2 and "--keep-tarballs" in result.stderr
    assert not (tmp_path / "raw").exists()


def test_the_command_lands_and_tells(zone: LandingZone, archive: Path) -> None:
    result = cli("instances", RECIPE, "--source", archive.parent, "--raw-dir", zone.root,
                 "--step", "2500", "--task", "piqa", key=None)  # fmt: skip
    assert result.returncode == 0, result.stderr
    size = sum(Path(path).stat().st_size for kind in ("tasks", "questions")
               for path in parquet(zone, kind))  # fmt: skip
    assert summary_of(result) == {
        "command": "instances", "checkpoints": 1, "already_landed": 0, "tasks": 1, "questions": N,
        "bytes": size, "downloaded_bytes": 0, "refused": 0,
    }  # fmt: skip
    assert result.stderr == ""
