"""What `make build` says while it builds, on a small project of which a data test fails."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
from rich.console import Console

from extract import warehouse
from extract.landing.current import current, real_zone
from tests.python.testing import ROOT, a_run, cli, write_jsonl

sys.path.insert(0, str(ROOT / "scripts"))
import build
import progress

BUILD = """
import sys
from pathlib import Path
from textwrap import dedent
sys.path.insert(0, "scripts")
import build
from extract.warehouse import Warehouse
folder = Path(sys.argv[1])
sys.exit(build.build(Warehouse(folder / "raw", folder / "datadecide.duckdb", folder), strict=False))
"""
FILES = {
    "dbt_project.yml": """
        name: small
        profile: small
        models: {small: {staging: {+schema: staging}, marts: {+schema: marts}}}
    """,
    "profiles.yml": """
        small:
          target: local
          outputs: {local: {type: duckdb, path: "{{ env_var('DATADECIDE_DB') }}", threads: 2}}
    """,
    "macros/generate_schema_name.sql": """
        {% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}
    """,
    "models/staging/stg_numbers.sql": "select range as number from range(9)",
    "models/marts/numbers.sql": "select * from {{ ref('stg_numbers') }}",
    "models/marts/after.sql": "select * from {{ ref('numbers') }}",
    "tests/assert_numbers_are_small.sql": """
        select number, 'too large' as verdict from {{ ref('numbers') }} where number > 2
    """,
}


def said(folder: Path) -> subprocess.CompletedProcess[str]:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    own = {"DBT_PROJECT_DIR": str(folder), "DBT_PROFILES_DIR": str(folder), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", BUILD, folder],
        cwd=ROOT, env=os.environ | own, capture_output=True, text=True,
    )  # fmt: skip


def test_a_build_says_what_it_has_done_and_what_failed(tmp_path: Path) -> None:
    done = said(tmp_path)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Reading the dbt project."
    assert re.fullmatch(r"staging +1 of 1 \(\d+\.\d s\)", lines[1])
    # What comes after a failed test is not built, and said to be done no less.
    assert re.search(r"^marts +2 of 2 \(\d+\.\d s, 1 skipped\)$", done.stdout, re.MULTILINE)
    assert re.search(r"^tests +1 of 1 \(\d+\.\d s, 1 failed\)$", done.stdout, re.MULTILINE)
    failure = done.stdout.partition("\nassert_numbers_are_small: Got 6 results")[2]
    assert failure.count("too large") == progress.ROWS_SHOWN
    shown = tmp_path / "target/compiled/small/tests/assert_numbers_are_small.sql"
    assert f"its SQL: {shown}\n" in failure


def test_a_file_below_the_root_is_named_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "target" / "test.sql"
    path.parent.mkdir()
    path.write_text("select nothing from nowhere")
    import duckdb

    duckdb.connect(str(tmp_path / "x.duckdb")).close()
    node = SimpleNamespace(name="a_test", resource_type="test", compiled_path=str(path))
    result = SimpleNamespace(node=node, status="fail", message="Got 1 result")
    progress.print_failures([result], tmp_path / "x.duckdb", tmp_path)
    found = capsys.readouterr().out
    assert "a_test: Got 1 result" in found
    assert "its rows cannot be shown: Catalog Error" in found
    assert found.endswith("its SQL: target/test.sql\n")


def finished(schema: str, status: str = "success", kind: str = "model") -> SimpleNamespace:
    node = SimpleNamespace(resource_type=kind, node_relation=SimpleNamespace(schema=schema))
    result = SimpleNamespace(status=status, execution_time=0.5)
    data = SimpleNamespace(node_info=node, run_result=result)
    return SimpleNamespace(info=SimpleNamespace(name="NodeFinished"), data=data)


def test_a_terminal_shows_how_far_each_layer_is() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    with progress.reported(Counter(base=2, marts=1), console) as report:
        report(finished("base"))
        report(finished("elsewhere"))
    assert re.search(r"base +1 of 2 \(0\.5 s\)", out.getvalue())
    assert re.search(r"marts +0 of 1", out.getvalue())


# -- which warehouse is built ---------------------------------------------------------------------


def test_the_demo_is_replaced_by_landed_rows_and_not_by_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused call once left a manifest, and the next build an empty warehouse."""
    raw = tmp_path / "raw"
    monkeypatch.setenv("DATADECIDE_RAW_DIR", str(raw))
    assert current().raw == warehouse.DEMO_RAW_DIR
    assert build.nothing_landed(real_zone().refusals()).startswith("Nothing has landed yet")

    refused = write_jsonl(tmp_path / "refused.jsonl", [{"neither": "run", "nor": "row"}])
    assert cli("wandb-files", refused, "--raw-dir", raw).returncode == 1
    assert list(raw.glob("_manifests/*/*.json"))
    assert current().raw == warehouse.DEMO_RAW_DIR
    said = build.nothing_landed(real_zone().refusals())
    assert "1 input was refused, the last one refused.jsonl" in said

    landed = write_jsonl(tmp_path / "landed.jsonl", [a_run("r1")])
    assert cli("wandb-files", landed, "--raw-dir", raw).returncode == 0
    assert current().raw == raw


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"files": null}'])
def test_a_damaged_manifest_is_not_taken_for_nothing(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build of what has landed tells of it; the demo would hide it."""
    monkeypatch.setenv("DATADECIDE_RAW_DIR", str(tmp_path))
    manifest = tmp_path / "_manifests" / "wandb" / "wandb-20260101T000000000000Z-abcdef.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(damage)
    assert current().raw == tmp_path
