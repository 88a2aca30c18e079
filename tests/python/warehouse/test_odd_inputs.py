"""Whatever lands, the build completes and every mart can be queried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.python.warehouse.harness import RUN_MARTS, RUNS_ONLY, Warehouse, write_jsonl

MATCHED = "250912-172812_match_150M_c4_finetune_{}_DD-d17-530M-6250-2"


def _run(run_id: str, **fields: Any) -> dict[str, Any]:
    return {"run_id": run_id, "entity": "e", "project": "p", "state": "finished"} | fields


ODD_RUNS = [
    # The product of its two numbers is no BIGINT.
    _run(MATCHED.format("9000000000Gtx99999999999")),
    _run(MATCHED.format("100Mtx1"), summary={"total_tokens": -9_000_000_000_000_000_000}),
    _run("259999-999999_impossible_time_Ft_DD-d17-530M-6250-2_lr=5e-06"),
    _run("250912-172812_Ft_Ft_DD-nobody_knows-7B-6250-99_lr=5e-5-5"),
    _run("tags as text", tags="x,y"),
    _run("tags as number", tags=7),
    _run("args as text", wandb_metadata={"args": "--seed 8"}),
    _run("args of all kinds", wandb_metadata={"args": ["--seed", None, ["x"], 8, "--exp_name"]}),
    _run("odd keys", config={"": 1, "a.b": 2, 'a"b': 3, "\u00fc": 4, "a\nb": 5, "x" * 5000: 6}),
    _run("odd numbers", config={"learning_rate": "auto", "seed": 1e400, "model_size": 10**60}),
    _run("nan in config", config={"learning_rate": float("nan"), "seed": float("nan")}),
    _run("odd times", created_at="yesterday", heartbeat_at="-infinity", updated_at=5),
    _run("line count as text", system_attrs={"historyLineCount": "many", "tags": "x"}),
    _run("quotes '\" / \\ and \n newline"),
    _run("nested evals", summary={"oe_eval_metrics": {"arc_easy": {"acc_raw": 0.5}}}),
    _run("text eval", summary={"oe_eval_metrics/boolq": {"acc_raw": 0.5, "model_hash": "abc"}}),
    _run("list eval", summary={"oe_eval_metrics/boolq/acc_raw": [1], "oe_eval_metrics/a/b/c": 1}),
    _run(
        "two variants of a task",
        summary={"oe_eval_metrics/arc_easy/acc_raw": 1, "oe_eval_metrics/arc_easy:mc/acc_raw": 2},
    ),
]
ODD_ROWS = [
    {"run_id": "odd times", "step": 1, "timestamp": 1755581965270000},
    {"run_id": "odd times", "step": 2, "timestamp": 1e300, "runtime": "long"},
    {"run_id": "odd times", "step": 3, "timestamp": "1e300", "train_loss": {"a": 1}},
    {"run_id": "odd times", "step": 2**70, "total_tokens": 2**70},
    {"run_id": "odd times", "timestamp": 1, "train_loss": 9, "total_tokens": 5},
    {"run_id": "nan counter", "step": 1, "total_tokens": 1e6},
    {"run_id": "nan counter", "step": 2, "total_tokens": "NaN"},
    {"run_id": "nan counter", "step": 3, "total_tokens": 3e6},
]


def test_odd_inputs_break_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    runs = [*ODD_RUNS, _run("nan counter")]
    warehouse.land(
        write_jsonl(tmp_path / "runs.jsonl", runs), write_jsonl(tmp_path / "rows.jsonl", ODD_ROWS)
    )
    warehouse.build(*RUNS_ONLY)
    for mart in RUN_MARTS:
        warehouse.query(f"select * from marts.{mart}")
    assert warehouse.query("select count(*) from marts.runs") == [(len(runs),)]

    # Microseconds are told by their size. What is no time gives none; the row stays.
    assert warehouse.query(
        "select count(*), count(logged_at) from marts.run_history where run_id = 'odd times'"
    ) == [(5, 2)]
    # A NaN in the counter is no restart of it.
    assert warehouse.query(
        "select ft_tokens_real, n_counter_resets from marts.runs where run_id = 'nan counter'"
    ) == [(3_000_000, 0)]
    assert warehouse.query(
        "select run_id, task, value from marts.run_evals order by run_id, task"
    ) == [
        ("nested evals", "arc_easy", 0.5),
        ("text eval", "boolq", 0.5),
        ("two variants of a task", "arc_easy", 1.0),
        ("two variants of a task", "arc_easy:mc", 2.0),
    ]
    assert warehouse.query(
        "select source_key from intermediate.int_evals__rejected order by 1"
    ) == [
        ("oe_eval_metrics/a/b/c",),
        ("oe_eval_metrics/boolq/acc_raw",),
        ("oe_eval_metrics/boolq/model_hash",),
    ]


def test_odd_names_are_rows_and_no_failure(warehouse: Warehouse, tmp_path: Path) -> None:
    """Unknown recipes and names build; only a strict build fails on what nobody has reviewed."""
    names = [f"2025_08_30-16_54_48_test_DD-{mix}-4M_Ft_--learning_rate=5e-05" for mix in "xyz"]
    warehouse.land(write_jsonl(tmp_path / "runs.jsonl", [_run(name) for name in names]))
    warehouse.dbt("build", "--exclude", "resource_type:unit_test")
    for mart in ("runs", "run_classifications", "run_configs"):
        assert warehouse.query(f"select count(*) from marts.{mart}") == [(3,)]
    assert warehouse.query(
        "select field, value, mend_in from marts.data_issues where kind = 'unknown_recipe' "
        "order by value"
    ) == [
        ("ckpt_recipe", mix, "seeds/recipe_spellings.csv: one line, alias and recipe")
        for mix in "xyz"
    ]


def test_failed_tests_never_leave_marts_behind(warehouse: Warehouse, tmp_path: Path) -> None:
    """A strict build fails on what nobody has reviewed; the marts are all of the same state."""
    names = [f"2025_08_30-16_54_48_test_DD-{mix}-4M_Ft_--learning_rate=5e-05" for mix in "xyz"]
    warehouse.land(write_jsonl(tmp_path / "runs.jsonl", [_run(name) for name in names]))
    strictly = ("--vars", '{"strict": true}')
    failed = warehouse.attempt(*warehouse.dbt_command("build", *strictly))
    assert failed.returncode == 1
    assert "assert_data_issues_are_reviewed" in failed.stdout
    for mart in ("runs", "run_classifications", "run_configs"):
        assert warehouse.query(f"select count(*) from marts.{mart}") == [(3,)]


def test_a_mistyped_zone_does_not_empty_the_warehouse(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.land(write_jsonl(tmp_path / "runs.jsonl", [_run("kept")]))
    warehouse.build(*RUNS_ONLY)
    warehouse.raw = tmp_path / "typo"
    warehouse.build(*RUNS_ONLY)
    assert warehouse.query("select run_id from marts.runs") == [("kept",)]


def test_a_landed_file_that_was_cut_is_found(warehouse: Warehouse, tmp_path: Path) -> None:
    """Cut at the end of a line it reads without an error; the manifest knows better."""
    import zstandard

    rows = [{"run_id": "r", "step": step} for step in range(10)]
    warehouse.land(
        write_jsonl(tmp_path / "runs.jsonl", [_run("r")]),
        write_jsonl(tmp_path / "rows.jsonl", rows),
    )
    (path,) = (warehouse.raw / "wandb").glob("*/*/history/*")
    whole = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    path.write_bytes(zstandard.compress(b"".join(whole.splitlines(keepends=True)[:7])))
    failed = warehouse.attempt_dbt("build", "-s", "base")
    assert failed.returncode == 1
    assert "assert_landed_files_are_read_whole" in failed.stdout
