"""The real records give the numbers that the specification states for them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.python.warehouse.harness import Warehouse, write_jsonl

FT1 = "2025_08_21-08_24_43_test_finetune_DD-dolma1_7-4M_main_1Mtx1_--learning_rate=5e-07"
DPO2 = (
    "2025_08_27-07_52_26_test_dpo_tune_cache_dd__dolma1_7-4M__main__100Mt_lr=5e-06_default_"
    "--learning_rate=2e-07"
)
FT4 = "2025_08_30-16_54_48_test_finetune_DD-dolma1_7-4M_Ft_--learning_rate=5e-05"
MATCHED1 = "250912-172812_match_150M_c4_finetune_100Mtx1_DD-d17-530M-6250-2"

EXPECTED: dict[str, dict[str, Any]] = {
    FT1: {
        "run_type": "simple_ft_vary_tokens",
        "pattern_name": "FT1_PATTERN",
        "method": "finetune",
        "ckpt_recipe": "Dolma1.7",
        "ckpt_params": "4M",
        "ckpt_is_final": True,
        "ckpt_step_source": "run_id",
        "ckpt_seed": "default",
        "seed_resolution": "absent",
        "learning_rate": 5e-07,
        "learning_rate_source": "config",
        "ft_seed": 8,
        "ft_epochs": 1,
        "ft_epochs_source": "run_id",
        "max_train_samples": 1400,
        "ft_tokens_per_epoch": 1_000_000,
        "ft_tokens": 1_000_000,
        "ft_tokens_real": None,
        "reduce_loss": "sum",
        "has_evals": True,
        "n_history_rows": 0,
    },
    DPO2: {
        "run_type": "dpo",
        "pattern_name": "DPO2_PATTERN",
        "method": "dpo",
        "learning_rate": 2e-07,
        "sft_learning_rate": 5e-06,
        "ft_epochs": 1,
        "ft_epochs_source": "config",
        # A published expectation file held 100000000000000 here.
        "ft_tokens": 100_000_000,
        "ft_tokens_per_epoch": None,
        "ft_tokens_real": None,
        "reduce_loss": "mean",
        "has_evals": False,
        "n_history_rows": 2106,
        "last_step": 2106,
        "final_train_loss": 0.2152680159,
    },
    FT4: {
        "run_type": "simple_ft",
        "pattern_name": "FT4_PATTERN",
        "ckpt_step_source": "default",
        "ckpt_is_final": True,
        # Its command line gives 5e-06 first and 5e-05 last, and it trained with the last.
        "learning_rate": 5e-05,
        "ft_epochs": 2,
        "ft_epochs_source": "run_id",
        "ft_tokens_per_epoch": 665_127_434,
        "ft_tokens": 1_330_254_868,
        "ft_tokens_real": 1_330_206_973,
        "ft_tokens_real_source": "history",
        "n_counter_resets": 1,
        "n_history_rows": 146,
        "final_train_loss": 2.9988238388,
    },
    MATCHED1: {
        "run_type": "matched",
        "pattern_name": "MATCHED1_PATTERN",
        "ckpt_recipe": "Dolma1.7",
        "ckpt_params": "530M",
        "ckpt_step": 6250,
        "ckpt_seed": "default",
        "ckpt_seed_raw": "2",
        "seed_resolution": "direct",
        "comparison_recipe": "Dolma1.7",
        "comparison_params": "150M",
        "comparison_metric": "c4_en-valppl",
        "learning_rate": 5e-06,
        "learning_rate_source": "config",
        "ft_seed": 8,
        "ft_tokens": 100_000_000,
        "ft_tokens_real": 91_330_008,
        "ft_tokens_diff_pct": 8.669992,
        "max_train_samples": 140_000,
        "tags": ["dclm-dolma", "finetune"],
        "n_history_rows": 10,
    },
}


@pytest.mark.parametrize("run_id", EXPECTED, ids=["FT1", "DPO2", "FT4", "MATCHED1"])
def test_run(sample_warehouse: Warehouse, run_id: str) -> None:
    (run,) = sample_warehouse.rows(f"select * from marts.runs where run_id = '{run_id}'")
    found = {name: run[name] for name in EXPECTED[run_id]}
    assert found == EXPECTED[run_id]


def test_repaired_counter_of_the_full_finetune(sample_warehouse: Warehouse) -> None:
    """One epoch was lost between 14300 and 14400; an older repair gave 1,967,994,120."""
    steps = sample_warehouse.query(
        f"select step, total_tokens_raw, total_tokens from marts.run_history "
        f"where run_id = '{FT4}' and step >= 14300 order by step"
    )
    assert steps[0] == (14300, 1_302_914_581, 1_302_914_581)
    assert steps[1] == (14400, 646_893_283, 1_312_020_717)
    assert steps[-1] == (14600, 665_079_539, 1_330_206_973)


def test_history_is_whole(sample_warehouse: Warehouse, sample: Path) -> None:
    """2,262 rows, each value as exported, to the last bit."""
    found = {
        (run_id, step): (logged_at, runtime, loss, rate, tokens)
        for run_id, step, logged_at, runtime, loss, rate, tokens in sample_warehouse.query(
            "select run_id, step, epoch(logged_at), runtime_s, train_loss, learning_rate, "
            "total_tokens_raw from marts.run_history"
        )
    }
    rows = [json.loads(line) for line in (sample / "history.jsonl").read_text().splitlines()]
    assert len(rows) == len(found) == 2262
    for row in rows:
        logged_at, *values = found[row["run_id"], row["step"]]
        metrics = row["metrics"]
        assert logged_at == pytest.approx(row["timestamp"], abs=1e-6)
        assert values == [
            row["runtime"],
            metrics["train_loss"],
            metrics["learning_rate"],
            metrics.get("total_tokens"),
        ]


def test_evaluations_of_both_forms_once(sample_warehouse: Warehouse, sample: Path) -> None:
    """Objects hold 22 metrics that the scalars lack, the scalars others; the union, each once."""
    expected: dict[tuple[str, str, str], float] = {}
    for line in (sample / "runs.jsonl").read_text().splitlines():
        run = json.loads(line)
        for key, value in run["summary"].items():
            if not key.startswith("oe_eval_metrics/"):
                continue
            _, task, *metric = key.split("/")
            if metric:
                expected[run["run_id"], task, metric[0]] = value
            else:
                extra = value.pop("extra_metrics", None) or {}
                value.pop("task_config")
                for name, number in {**value, **extra}.items():
                    expected[run["run_id"], task, name] = number
    found = sample_warehouse.query(
        "select run_id, task_name, metric, reported_value from marts.run_evals"
    )
    assert len(found) == len(expected) == 3 * 380
    assert {(run, task, metric): value for run, task, metric, value in found} == expected


def test_suspect_per_token_metrics_have_no_value(sample_warehouse: Warehouse) -> None:
    """Token counts were lost in these evaluations; boolq answers are one token and stay."""
    found = sample_warehouse.query(
        "select task, bool_or(is_suspect), count(value) from marts.run_evals "
        "where metric like '%per_token%' group by task"
    )
    assert {task: (suspect, values) for task, suspect, values in found if task == "boolq"} == {
        "boolq": (False, 24)
    }
    assert all(suspect and values == 0 for task, suspect, values in found if task != "boolq")


def test_every_config_key_is_there(sample_warehouse: Warehouse, sample: Path) -> None:
    expected = {
        (run["run_id"], key)
        for line in (sample / "runs.jsonl").read_text().splitlines()
        for run in [json.loads(line)]
        for key in run["config"]
    }
    found = sample_warehouse.query("select run_id, key from marts.run_config_values")
    assert len(found) == len(expected)
    assert set(found) == expected


def test_big_integers_stay_exact(sample_warehouse: Warehouse) -> None:
    (value,) = sample_warehouse.query(
        "select value from marts.run_config_values where key = 'model_pretrain_compute'"
    )
    assert value == ("168631869269606400000",)


def test_run_id_examples(
    new_warehouse: Callable[[str], Warehouse], sample: Path, tmp_path: Path
) -> None:
    """Every real id of the specification, classified as stated."""
    with (sample / "run_id_examples.csv").open(newline="") as stream:
        examples = list(csv.DictReader(stream))
    records = [
        {"run_id": row["run_id"], "entity": "e", "project": "p", "state": "finished", "config": {}}
        for row in examples
    ]
    warehouse = new_warehouse("examples")
    warehouse.land(write_jsonl(tmp_path / "examples.jsonl", records))
    warehouse.build()
    found = warehouse.query(
        "select run_id, run_type, coalesce(pattern_name, '') from marts.run_classifications"
    )
    assert set(found) == {(row["run_id"], row["run_type"], row["pattern_name"]) for row in examples}


def test_no_personal_data_in_any_mart(sample_warehouse: Warehouse, sample: Path) -> None:
    """E-mail addresses, user and host names and home paths of the records are in no table."""
    clear: set[str] = set()
    for line in (sample / "runs.jsonl").read_text().splitlines():
        run = json.loads(line)
        metadata = run["wandb_metadata"]
        slurm = metadata.get("slurm", {})
        clear |= {metadata.get(key) for key in ("email", "host", "username")}
        clear |= {slurm.get(key) for key in ("job_user", "submit_host", "job_account")}
        clear |= set(run["system_attrs"]["user"].values())
        clear |= set(re.findall(r"/(?:[\w.-]+/)?(?:home|scratch)/[\w.-]+", line))
    clear -= {None}
    assert len(clear) >= 6
    found = sample_warehouse.query(
        "select distinct schema_name, table_name from duckdb_columns() where schema_name in "
        "('base', 'staging', 'intermediate', 'marts')"
    )
    for schema, table in found:
        text = "\n".join(
            row for (row,) in sample_warehouse.query(
                f"select cast(rows as varchar) from {schema}.{table} as rows"
            )
        )  # fmt: skip
        named = {
            value for value in clear
            if re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", text)
        }  # fmt: skip
        assert not named, f"{schema}.{table}"
        assert not re.search(r"[\w.]+@[\w-]+\.[a-z]{2,}", text), f"{schema}.{table}"
