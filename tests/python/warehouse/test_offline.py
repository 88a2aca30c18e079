"""Offline runs in the marts, also while they are still being written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.python.wandb.offline_testing import (
    exit_record,
    row_record,
    run_client,
    run_record,
    write_log,
)
from tests.python.warehouse.harness import RUNS_ONLY, Warehouse, assert_same_marts

RUN_ID = "2025_08_30-16_54_48_test_DD-dolma1_7-4M_Ft_--learning_rate=5e-05"
SCRIPT = f"""
run = wandb.init(entity="e", project="p", id="{RUN_ID}", name="{RUN_ID}", tags=["finetune"],
                 config={{"learning_rate": 5e-5, "compute": 168631869269606400001, "seed": 8}})
for step in range(3):
    run.log({{"train_loss": 3 - step, "learning_rate": 1e-5, "total_tokens": 1000 * (step + 1),
             "nan": float("nan"), "step": 100 + step, "project": "P"}})
run.summary["oe_eval_metrics/boolq/acc_raw"] = 0.5
run.notes = "later"
run.finish()
"""


def test_an_offline_run_is_in_the_marts(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.land(run_client(tmp_path / "client", SCRIPT))
    warehouse.build(tests=True)
    assert warehouse.query(
        "select run_path, run_name, state, tags, learning_rate, ft_seed, n_history_rows, "
        "history_line_count, last_step, final_train_loss, has_evals, created_at < updated_at "
        "from marts.runs"
    ) == [
        (f"e/p/{RUN_ID}", RUN_ID, "finished", ["finetune"], 5e-05, 8, 3, 3, 2, 1.0, True, True)
    ]  # fmt: skip
    rows = warehouse.query(
        "select step, row_ordinal, train_loss, learning_rate, total_tokens, metrics "
        "from marts.run_history order by step"
    )
    assert [row[:5] for row in rows] == [
        (step, 0, 3 - step, 1e-05, 1000 * (step + 1)) for step in range(3)
    ]
    assert [json.loads(row[5])["step"] for row in rows] == [100, 101, 102]
    assert warehouse.query(
        "select key, value ->> '$' from marts.run_config_values order by key"
    ) == [("compute", "168631869269606400001"), ("learning_rate", "0.00005"), ("seed", "8")]


def test_a_run_that_is_landed_as_it_grows(
    new_warehouse: Callable[[str], Warehouse], tmp_path: Path
) -> None:
    """Each state of the file has all rows of the one before; in any order each row is there once.

    The run logs step 2 twice, as one that was rewound does.
    """
    rows = [row_record(step, train_loss=1 / (step + 1)) for step in range(4)]
    rows.append(row_record(2, train_loss=5.0, _timestamp=1_755_581_999, _runtime=34.0))
    states = {
        "early": [run_record(config={"seed": 1}), *rows[:2]],
        "late": [run_record(config={"seed": 1}), *rows],
        "whole": [run_record(config={"seed": 1}), *rows, run_record(notes="done"), exit_record()],
    }
    files = {
        name: write_log(tmp_path / name / "run-20250819_053925-r" / "run-r.wandb", records)
        for name, records in states.items()
    }
    cut = tmp_path / "cut" / "run-r.wandb"
    cut.parent.mkdir()
    cut.write_bytes(files["late"].read_bytes()[:-9])

    growing = new_warehouse("growing")
    growing.land(files["early"].parents[1])
    growing.build(*RUNS_ONLY)
    assert growing.query("select state, n_history_rows from marts.runs") == [("crashed", 2)]
    growing.land(cut, code=1)
    growing.land(files["late"])
    growing.build(*RUNS_ONLY)
    assert growing.query("select state, n_history_rows from marts.runs") == [("crashed", 5)]
    growing.land(files["whole"])
    growing.build(*RUNS_ONLY)
    assert growing.query(
        "select step, row_ordinal, train_loss from marts.run_history order by step, row_ordinal"
    ) == [(0, 0, 1.0), (1, 0, 1 / 2), (2, 0, 1 / 3), (2, 1, 5.0), (3, 0, 1 / 4)]

    once = new_warehouse("once")
    once.land(files["whole"])
    once.build(*RUNS_ONLY)
    assert once.query("select state from marts.runs") == [("finished",)]
    assert_same_marts(growing, once)

    # An older copy, landed later, takes nothing away and adds nothing.
    backwards = new_warehouse("backwards")
    for name in ("whole", "early"):
        backwards.land(files[name])
    backwards.build(*RUNS_ONLY)
    assert_same_marts(growing, backwards)
