"""The simulated W&B project: determinism, shape, and presence of every situation it promises."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from extract.simulator import names
from extract.simulator.scenarios import ORDINARY, SPECIAL
from extract.simulator.wandb import SimulatedRun, simulate_runs

ROOT = Path(__file__).resolve().parents[3]
FULL_TOKENS = 665_127_434
RECORD_KEYS = [
    "run_id",
    "run_name",
    "state",
    "project",
    "entity",
    "created_at",
    "config",
    "summary",
    "wandb_metadata",
    "system_metrics",
    "system_attrs",
    "sweep_info",
]
# -- an independent reading of the id grammar ----------------------------------------------------
W, D, S = r"[A-Za-z0-9_]+", r"[0-9]+", r"[0-9]+[MB]"
TS6, TS8 = r"[0-9]{6}-[0-9]{6}", r"[0-9]{4}_[0-9]{2}_[0-9]{2}-[0-9]{2}_[0-9]{2}_[0-9]{2}"
R, RD, LR, TPE = r"[A-Za-z0-9_.]+", r"[A-Za-z0-9_.-]+", r"[0-9.e-]+", r"[0-9]+[MBG]tx[0-9]+"
DDS, DDF = f"DD-{R}-{S}", f"DD-{R}-{S}-{D}-{D}"
PATTERNS = [
    ("DPO1", rf"{TS8}_(?=[A-Za-z0-9_]*dpo){W}_{DDS}_{W}_default"),
    ("DPO2", rf"{TS8}_{W}_dd__{R}-{S}__{W}__[0-9]+[MBG]t_lr={LR}_default_--learning_rate={LR}"),
    ("MATCHED1", rf"{TS6}_{W}_{S}_{W}_finetune_{TPE}_{DDF}"),
    ("MATCHED2", rf"{TS6}_{W}_{S}_{W}_finetune_Ft_{DDF}"),
    ("MATCHED3", rf"{TS6}_{W}_{S}_finetune_Ft_{DDF}_lr={LR}"),
    ("MATCHED4", rf"{TS6}_{W}_{S}_finetune_{TPE}_{DDF}"),
    ("MATCHED5", rf"{TS6}_{W}_{S}_finetune_Ft_{DDF}"),
    ("MATCHED6", rf"{TS6}_{W}_DD-{RD}-{S}_Ft_{DDF}_lr={LR}"),
    ("MATCHED7", rf"{TS8}_{W}_DD-{RD}-{S}_Ft_{DDF}_lr={LR}"),
    ("MATCHED8", rf"{TS6}_{W}_{S}_finetune_{TPE}_{DDF}_lr={LR}"),
    ("MATCHED9", rf"{TS6}_{W}_{S}_{W}_finetune_{TPE}_{DDF}_lr={LR}"),
    ("MATCHED10", rf"{TS6}_{W}_{S}_{W}_finetune_Ft_{DDF}_lr={LR}"),
    (
        "REDUCE_LOSS",
        rf"{TS8}_{W}_{DDS}_{W}_default_--max_train_samples={D}_--reduce_loss={W}",
    ),
    ("FT1", rf"{TS8}_{W}_{DDS}_{W}_{TPE}_--learning_rate={LR}"),
    ("FT3", rf"{TS8}_{W}_{DDS}_{W}_[0-9]+[MBG]_toks_--learning_rate={LR}"),
    ("FT6", rf"{TS6}_{W}_{TPE}_{DDF}_lr={LR}"),
    ("FT4", rf"{TS8}_{W}_{DDS}_Ft_--learning_rate={LR}"),
    ("FT5", rf"{TS6}_{W}_DD-{RD}-{S}_Ft_learning_rate={LR}"),
    ("FT7", rf"{TS6}_{W}_Ft_{DDF}_lr={LR}"),
]


def classify(run_id: str) -> str:
    for name, pattern in PATTERNS:
        if re.fullmatch(pattern, run_id):
            return name
    if "main_default" in run_id and "dpo" not in run_id and "--reduce_loss=" not in run_id:
        return "old"
    return "other"


# -- the project ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loaded:
    run: SimulatedRun
    rows: list[dict[str, Any]]
    size: int  # bytes of the JSON line

    @property
    def record(self) -> dict[str, Any]:
        return self.run.record

    @property
    def config(self) -> dict[str, Any]:
        return self.record["config"]

    @property
    def summary(self) -> dict[str, Any]:
        return self.record["summary"]

    @property
    def evaluated(self) -> bool:
        return "oe_eval_metrics/boolq" in self.summary

    @property
    def args(self) -> list[str]:
        return self.record["wandb_metadata"]["args"]


@pytest.fixture(scope="module")
def project() -> list[Loaded]:
    return [Loaded(r, list(r.history()), len(json.dumps(r.record))) for r in simulate_runs()]


def by_story(project: list[Loaded], start: str) -> Loaded:
    return next(loaded for loaded in project if loaded.run.story.startswith(start))


def trained(project: list[Loaded], method: str) -> list[Loaded]:
    key = "total_tokens" if method == "finetune" else "training_step"
    return [p for p in project if p.rows and key in p.rows[0]["metrics"]]


def digest(runs: int, seed: int = 20250818) -> str:
    total = hashlib.sha256()
    for run in simulate_runs(runs, seed):
        total.update(json.dumps(run.record).encode())
        for row in islice(run.history(), 300):
            total.update(json.dumps(row).encode())
    return total.hexdigest()


def test_two_calls_give_the_same_bytes() -> None:
    assert digest(100) == digest(100)
    assert digest(5) != digest(5, seed=1)


def test_output_depends_neither_on_hash_seed_nor_on_time_zone() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r});"
        "from tests.python.simulator import test_wandb as t; print(t.digest(80))"
    )
    env = dict(os.environ, PYTHONHASHSEED="4711", TZ="Asia/Tokyo", LC_ALL="C")
    other = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == digest(80)


def test_history_can_be_read_again(project: list[Loaded]) -> None:
    loaded = by_story(project, "a step logged twice, every tenth step")
    assert list(loaded.run.history()) == loaded.rows


def test_a_prefix_of_the_project_does_not_depend_on_its_length() -> None:
    short = [run.record["run_id"] for run in simulate_runs(30)]
    assert short == [run.record["run_id"] for run in islice(simulate_runs(5000), 30)]


@pytest.mark.parametrize(("runs", "scale"), [(-1, 1.0), (1, 0.0), (1, -2.0)])
def test_wrong_arguments_are_rejected(runs: int, scale: float) -> None:
    with pytest.raises(ValueError, match="must"):
        list(simulate_runs(runs, history_scale=scale))


# -- ids -----------------------------------------------------------------------------------------


def test_ids_follow_the_grammar(project: list[Loaded]) -> None:
    wrong = {
        p.record["run_id"]: (p.run.pattern, classify(p.record["run_id"]))
        for p in project
        if classify(p.record["run_id"]) != p.run.pattern
    }
    assert wrong == {}


def test_every_pattern_occurs_several_times(project: list[Loaded]) -> None:
    counts = Counter(p.run.pattern for p in project)
    assert set(counts) == {name for name, _ in PATTERNS} | {"old", "other"}
    assert min(counts.values()) >= 5


def test_ids_stay_unique_and_valid_for_thousands_of_runs() -> None:
    from extract.simulator.plans import Planner
    from extract.simulator.scenarios import scenario

    planner = Planner(20250818, 1.0)
    plans = [planner.plan(i, scenario(i)) for i in range(6000)]
    assert len({plan.run_id for plan in plans}) == len(plans)
    for plan in plans:
        expected = "other" if plan.scenario.hidden_name else plan.scenario.pattern
        assert classify(plan.run_id) == expected


def test_odd_ids(project: list[Loaded]) -> None:
    ids = {p.record["run_id"] for p in project}
    assert {
        "2025_08_21-15_03_00_test_finetune_DD-dolma1_7-4M_main",
        "2025_08_30-16_54_48_test_finetune_DD-dolma1_7-4M",
        "250901-155734_test_finetune_DD-dclm-baseline-150M",
        "250912-172812_match_150M_c4_finetune",
        "250904-215942_test_match_60M_f",
        "_Ft_DD-dclm_qc10p-60M-29042-0",
    } <= ids
    assert any(i.startswith(" ") for i in ids)
    assert any(re.fullmatch(r".*main_default__42__[0-9]{10}", i) for i in ids)
    assert sum(bool(re.fullmatch("[0-9a-z]{8}", i)) for i in ids) >= 5
    hidden = by_story(project, "random id, the fine-tune name").record
    assert re.fullmatch("[0-9a-z]{8}", hidden["run_id"])
    assert hidden["system_attrs"]["name"] == hidden["run_id"]
    assert hidden["run_name"] == hidden["system_attrs"]["displayName"]
    assert classify(hidden["run_name"]) == "FT1"
    others = [p for p in project if p.record["run_id"] != hidden["run_id"]]
    assert all(p.record["run_id"] == p.record["run_name"] for p in others)


def test_recipes_sizes_and_seeds(project: list[Loaded]) -> None:
    ids = [p.record["run_id"] for p in project if p.run.pattern not in {"old", "other"}]
    slots = [re.search(r"(?:DD-|dd__)([A-Za-z0-9_.-]+?)-([0-9]+[MB])(?=[_-]|$)", i) for i in ids]
    final = [re.search(rf"DD-({R})-({S})-{D}-({D})(?:_lr=|$)", i) for i in ids]
    texts = {m[1] for m in (*slots, *final) if m}
    known = {s.text: s.recipe for s in names.DASHED_SPELLINGS}
    assert {known[t] for t in texts if t in known} == set(names.RECIPES)
    assert len(set(names.RECIPES)) == 25
    assert {s.text for s in names.WORD_SPELLINGS} <= texts
    assert texts - set(known) == {"mystery_mix"}
    assert sum("mystery_mix" in i for i in ids) == 2
    assert {m[2] for m in (*slots, *final) if m} == {size.label for size in names.SIZES}
    seeds = Counter(m[3] for m in final if m)
    assert set(seeds) == {"0", "2", "4", "5", "14", "15", "7"}
    assert seeds["7"] == 1


def test_early_test_runs(project: list[Loaded]) -> None:
    early = [p for p in project if p.record["created_at"] < "2025-08-21"]
    assert {p.run.pattern for p in early} == {"old", "DPO1", "REDUCE_LOSS"}
    assert all(p.config["seed"] == 42 for p in early)
    assert {p.record["created_at"][-1] for p in project} == {"Z"}


# -- shape ---------------------------------------------------------------------------------------


def test_records_have_the_shape_of_the_export(project: list[Loaded]) -> None:
    for p in project:
        record, attrs = p.record, p.record["system_attrs"]
        assert list(record) == RECORD_KEYS
        assert (record["project"], record["entity"]) == ("ft-scaling", "ml-moe")
        assert record["sweep_info"] == {"sweep_id": None, "sweep_url": None}
        assert len(attrs) == 22
        assert attrs["config"] == record["config"]
        assert attrs["summaryMetrics"] == record["summary"]
        assert attrs["systemMetrics"] == record["system_metrics"]
        assert {k: v for k, v in attrs["rawconfig"].items() if k != "_wandb"} == record["config"]
        assert attrs["createdAt"] == record["created_at"] <= attrs["heartbeatAt"]
        assert list(p.config) == sorted(p.config, key=lambda k: (len(k), k))
        assert list(p.summary) == sorted(p.summary)
        assert len(record["system_metrics"]) in {102, 176, 306}
        assert len(record["wandb_metadata"]) in {10, 22, 23}


def test_config_key_counts(project: list[Loaded]) -> None:
    for p in project:
        pretrain = sum(key.startswith("pretrain_eval") for key in p.config)
        assert pretrain in {351, 406}
        assert ("pretrain_eval_mmlu_no_answer" in p.config) == (pretrain == 406)
        assert ("d_model" in p.config) == ("total_compute_est" in p.config) == p.evaluated
        overwritten = "exp_name" not in p.config
        assert len(p.config) - pretrain == 5 + 51 * p.evaluated + (not overwritten) * (
            (88 if "dpo_beta" in p.config else 83)
            + ("wandb_config" in p.config)
            + 2 * ("model_pretrain_steps" in p.config)
        )
    assert len(by_story(project, "evaluations only").config) == 545
    assert len(by_story(project, "numbers as text").config) == 493
    assert len(by_story(project, "config overwritten by").config) == 407
    assert len(by_story(project, "full fine-tune, one reset near").config) == 546
    assert len(by_story(project, "preference run on").config) == 499


def test_sizes_of_json_lines(project: list[Loaded]) -> None:
    assert all(120_000 <= p.size <= 230_000 for p in project if p.evaluated)
    assert all(p.size >= 80_000 for p in project)
    share = sum(p.evaluated for p in project) / len(project)
    assert 0.5 < share < 0.9


def test_evaluations_are_there_in_both_forms(project: list[Loaded]) -> None:
    for p in project:
        keys = [k for k in p.summary if k.startswith("oe_eval_metrics/")]
        assert len(keys) == (368 if p.evaluated else 0)
        assert len(p.summary) == len(keys) + (
            1
            if "_step" not in p.summary
            else 15
            if "dpo_beta" in p.config
            else 10 - 2 * ("total_tokens" not in p.summary)
        )
        bodies = {k.split("/", 1)[1]: p.summary[k] for k in keys if isinstance(p.summary[k], dict)}
        assert len(bodies) == (10 if p.evaluated else 0)
        for task, body in bodies.items():
            scalars = {
                k.rpartition("/")[2]: p.summary[k]
                for k in keys
                if k.startswith(f"oe_eval_metrics/{task}/")
            }
            assert len(scalars) == (
                55 if ":" in task else 29 if task in {"boolq", "winogrande"} else 35
            )
            assert all(scalars[m] == v for m, v in body.items() if m in scalars)
            assert ("extra_metrics" in body) == (task != "winogrande" and ":" not in task)
            assert len(body["task_config"]) == 24
            if ":" in task:
                assert body["num_instances"] == 23640
                continue
            for metric, value in scalars.items():  # token counts were lost
                if metric.endswith("_per_token") and metric != "correct_logit_per_token":
                    bare = metric.removesuffix("_per_token")
                    assert value == scalars.get(bare, scalars.get(f"{bare}_raw"))
            assert scalars["logits_per_token_corr"] == scalars["sum_logits_corr"]


def test_relations_between_base_model_evaluations(project: list[Loaded]) -> None:
    tasks = "arc_challenge arc_easy boolq csqa hellaswag openbookqa piqa socialiqa winogrande mmlu"
    for p in islice(project, 20, 40):
        value = {
            k.removeprefix("pretrain_eval_"): v
            for k, v in p.config.items()
            if k.startswith("pretrain_eval_")
        }
        mean = sum(value[f"{t}_primary_metric"] for t in tasks.split()) / 10
        assert value["olmes_10_macro_avg_primary_metric"] == pytest.approx(mean, abs=1e-9)
        assert value["piqa_total_prob_per_byte"] == value["piqa_total_prob_per_char"]
        assert value["boolq_acc_per_token"] == value["boolq_acc_raw"]
        assert value["csqa_correct_prob_per_byte"] > 1


# -- history -------------------------------------------------------------------------------------


def test_amount_of_history(project: list[Loaded]) -> None:
    assert 40_000 <= sum(len(p.rows) for p in project) <= 60_000
    scaled = sum(1 for run in simulate_runs(60, history_scale=3.0) for _ in run.history())
    plain = sum(len(p.rows) for p in project[:60])
    assert 2.5 < scaled / plain < 3.5


def test_rows_and_their_bookkeeping(project: list[Loaded]) -> None:
    for p in project:
        attrs = p.record["system_attrs"]
        assert attrs["historyLineCount"] == len(p.rows)
        assert attrs["historyKeys"]["lastStep"] == (p.rows[-1]["step"] if p.rows else -1)
        assert len(p.record["system_metrics"]) == sum(
            key.startswith("system/") for key in attrs["historyKeys"]["keys"]
        )
        for row in p.rows:
            assert list(row) == ["run_id", "step", "timestamp", "runtime", "metrics"]
            assert row["run_id"] == p.record["run_id"]
            assert type(row["step"]) is int
        for a, b in pairwise(p.rows):
            assert a["step"] <= b["step"]
            assert a["timestamp"] < b["timestamp"]
            assert a["runtime"] < b["runtime"]
        if p.rows:
            last = p.rows[-1]
            assert p.summary["_step"] == last["step"]
            assert p.summary["_timestamp"] == last["timestamp"]
            assert p.summary["_runtime"] == last["runtime"]
            assert p.summary["learning_rate"] == last["metrics"]["learning_rate"]
            assert p.summary.get("total_tokens") == last["metrics"].get("total_tokens")


def test_every_cadence_occurs(project: list[Loaded]) -> None:
    def cadence(rows: list[dict[str, Any]]) -> int:
        return Counter(b["step"] - a["step"] for a, b in pairwise(rows)).most_common(1)[0][0]

    long = [p for p in project if len(p.rows) > 20]
    counts = Counter(cadence(p.rows) for p in long)
    assert set(counts) == {1, 10, 100}
    assert all(p.config.get("logging_steps", cadence(p.rows)) == cadence(p.rows) for p in long)
    assert sum(not p.rows for p in project) >= 8


def test_learning_rates_warm_up_and_decay(project: list[Loaded]) -> None:
    rates = [r["metrics"]["learning_rate"] for r in by_story(project, "perplexities").rows]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] > 0
    assert rates[-1] < max(rates) / 1000


def test_preference_runs(project: list[Loaded]) -> None:
    runs = trained(project, "dpo")
    assert len(runs) >= 10
    assert max(len(p.rows) for p in runs) == 2106
    for p in runs:
        assert p.run.pattern.startswith("DPO")
        assert "total_tokens" not in p.summary
        assert "email" not in p.record["wandb_metadata"]
        for row in islice(p.rows, 5):
            m = row["metrics"]
            assert len(m) == 11
            assert m["rewards/margin"] == pytest.approx(
                m["rewards/chosen"] - m["rewards/rejected"], abs=1e-9
            )


def test_tokens_of_full_fine_tunes(project: list[Loaded]) -> None:
    runs = [
        p
        for p in trained(project, "finetune")
        if "_Ft_" in p.record["run_id"] and len(p.rows) == 146 and p.run.counter_resets == 0
    ]
    assert len(runs) > 40
    for p in runs:
        counts = [row["metrics"]["total_tokens"] for row in p.rows]
        assert all(9.0e6 < b - a < 9.2e6 for a, b in pairwise(counts))
        assert 0 <= 2 * FULL_TOKENS - counts[-1] < 10_000
    finals = {p.summary["total_tokens"] for p in runs}
    assert 2 * FULL_TOKENS in finals
    assert len(finals) > 1
    assert {type(p.rows[0]["metrics"]["total_tokens"]) for p in runs} == {int, float}
    assert {"per_device_tps" in p.rows[0]["metrics"] for p in runs} == {True, False}


def tokens_per_epoch(run_id: str) -> int:
    found = re.search(r"_([0-9]+)([MBG])tx[0-9]+_", run_id)
    if not found:
        return FULL_TOKENS
    return int(found[1]) * {"M": 10**6, "B": 10**9, "G": 10**9}[found[2]]


def test_counter_resets_lose_whole_epochs(project: list[Loaded]) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    for p in trained(project, "finetune"):
        counts = [row["metrics"]["total_tokens"] for row in p.rows]
        drops = [(a, b) for a, b in pairwise(counts) if b < a]
        assert len(drops) == p.run.counter_resets
        if "_toks_" in p.record["run_id"]:
            continue
        epoch = tokens_per_epoch(p.record["run_id"])
        repaired = counts[-1] + sum(round((a - b) / epoch) * epoch for a, b in drops)
        assert repaired == p.run.tokens_seen
        if drops:
            kind = "Ft" if "_Ft_" in p.record["run_id"] else "tx" if epoch != FULL_TOKENS else "-"
            seen[kind, len(drops)] += 1
    assert {("Ft", 1), ("Ft", 2), ("tx", 1), ("tx", 2), ("-", 1)} == set(seen)
    lost = by_story(project, "reset with max_train_samples")
    assert lost.run.pattern == "FT3"
    assert lost.config["max_train_samples"] == 140_000
    assert lost.run.counter_resets == 1


def test_repeated_steps_and_gaps(project: list[Loaded]) -> None:
    repeated = [(p, a, b) for p in project for a, b in pairwise(p.rows) if a["step"] == b["step"]]
    assert len(repeated) == 3
    assert all(a["timestamp"] < b["timestamp"] for _, a, b in repeated)
    assert all(a["metrics"] != b["metrics"] for _, a, b in repeated)
    for story in ("steps missing in the middle", "steps missing in the middle, every"):
        p = by_story(project, story)
        gaps = Counter(b["step"] - a["step"] for a, b in pairwise(p.rows))
        assert len(gaps) == 2
        assert max(gaps) > 10 * min(gaps)


def test_special_numbers(project: list[Loaded]) -> None:
    values = [(k, v) for p in project for row in p.rows for k, v in row["metrics"].items()]
    texts = {v for _, v in values if isinstance(v, str)}
    assert texts == {"NaN", "Infinity", "-Infinity"}
    floats = [v for _, v in values if isinstance(v, float)]
    assert any(math.isnan(v) for v in floats)
    assert math.inf in floats
    assert -math.inf in floats
    diverged = by_story(project, "diverged")
    assert math.isnan(diverged.rows[-1]["metrics"]["train_loss"])
    assert diverged.summary["train_loss"] is None
    assert "NaN" in json.dumps(diverged.rows[-1])
    for p in project:  # never outside the history
        json.dumps(p.record, allow_nan=False)


# -- states and damaged records ------------------------------------------------------------------


def test_states(project: list[Loaded]) -> None:
    counts = Counter(p.record["state"] for p in project)
    assert set(counts) == {"finished", "crashed", "failed", "killed", "running"}
    assert min(counts.values()) >= 2
    truncated = [p for p in project if p.record["state"] != "finished" and p.rows]
    assert {p.record["state"] for p in truncated} == {"crashed", "failed", "killed", "running"}
    for p in truncated:
        assert p.rows[-1]["metrics"]["learning_rate"] > 1e-9
        assert not p.evaluated


def test_missing_counters(project: list[Loaded]) -> None:
    bare = by_story(project, "finished full fine-tune without any")
    assert "_Ft_" in bare.record["run_id"]
    assert bare.rows
    assert "total_tokens" not in bare.summary
    assert all("total_tokens" not in row["metrics"] for row in bare.rows)
    assert bare.run.tokens_seen is None
    only_summary = by_story(project, "summary has total_tokens")
    assert not only_summary.rows
    assert isinstance(only_summary.summary["total_tokens"], int)


def test_evaluation_only_runs(project: list[Loaded]) -> None:
    runs = [p for p in project if "evaluations only" in p.run.story]
    assert len(runs) == 3
    for p in runs:
        assert not p.rows
        outside = {k for k in p.summary if not k.startswith("oe_eval_metrics/")}
        assert outside == {"_wandb"}
        assert p.args[0] == "--model-sweep-names"
        assert "learning_rate" in p.config
        assert p.record["wandb_metadata"]["startedAt"] > p.record["created_at"]


def last_value(args: list[str], flag: str) -> str | None:
    found = [b for a, b in pairwise(args) if a == flag]
    found += [a.partition("=")[2] for a in args if a.startswith(flag + "=")]
    return found[-1] if found else None


def test_overwritten_configs(project: list[Loaded]) -> None:
    lost = {"seed", "learning_rate", "num_train_epochs", "wandb_tags", "exp_name"}
    runs = [p for p in project if p.run.story.startswith("config overwritten")]
    assert len(runs) == 3
    for p in runs:
        assert not lost & set(p.config)
        assert last_value(p.args, "--exp_name") == p.record["run_id"]
        assert last_value(p.args, "--seed") == "8"
        assert "model_pretrain_steps=" in (last_value(p.args, "--wandb_config") or "")
        assert last_value(p.args, "--dataset-local-cache-dir")
        assert p.record["run_id"].endswith("=" + str(last_value(p.args, "--learning_rate")))
    assert any("--seed=8" in p.args for p in runs)
    repeated = [p for p in project if p.args.count("--learning_rate") == 2]
    assert len(repeated) > 20
    assert all(p.args.count("--model_name_or_path") == 2 for p in repeated)
    assert any(last_value(p.args, "--learning_rate") != "5e-06" for p in repeated)
    nothing = by_story(project, "neither config")
    assert not lost & set(nothing.config)
    assert last_value(nothing.args, "--learning_rate") is None
    assert "lr=" not in nothing.record["run_id"]
    nulls = by_story(project, "seed and learning rate null")
    assert nulls.config["seed"] is None is nulls.config["learning_rate"]


def test_config_agrees_with_args_and_id(project: list[Loaded]) -> None:
    for p in project:
        if "exp_name" not in p.config or p.args[0] != "--exp_name":
            continue
        assert p.config["exp_name"] == p.config["run_name"] == p.record["run_name"]
        if p.config["learning_rate"] is not None:
            rate = float(last_value(p.args, "--learning_rate") or "nan")
            assert p.config["learning_rate"] == rate
            in_id = re.search(r"(?:_lr|learning_rate)=([0-9.e-]+)$", p.record["run_name"])
            assert in_id is None or float(in_id[1]) == rate
        assert last_value(p.args, "--model_name_or_path") == p.config["model_name_or_path"]
        assert p.config["reduce_loss"] in p.record["run_name"] or "reduce" not in p.record["run_id"]
        if "finetune_sequences" in p.config and p.config["num_train_epochs"]:
            unique = int(p.config["finetune_unique_sequences"])
            total = int(p.config["finetune_sequences"])
            assert total == unique * p.config["num_train_epochs"]
            assert p.config["max_train_samples"] in {None, unique}


def test_numbers_in_config(project: list[Loaded]) -> None:
    text = by_story(project, "numbers as text").config
    assert text["model_size"] == "530100000"
    assert text["finetune_sequences"] == text["finetune_unique_sequences"] == "140000"
    assert text["model_pretrain_compute"] == "168631869269606400000"
    assert text["pretrain_compute"] == 1.686318692696064e20
    assert "model_size=530100000,model_pretrain_steps=57786" in text["wandb_config"]
    differing = by_story(project, "config steps differ").config
    assert (differing["pretrain_steps"], differing["model_pretrain_steps"]) == (15_000, "29901")
    exact = by_story(project, "integers above").config
    assert exact["pretrain_compute"] == 168_631_869_269_606_400_000
    assert type(exact["total_compute_est"]) is int
    wrong = by_story(project, "config overwritten by").config
    assert wrong["pretrain_steps"] == 69_369
    assert wrong["pretrain_tokens"] == 27_277_000_704
    small = by_story(project, "full fine-tune, one reset near").config
    assert small["pretrain_compute"] == 8_329_297_920_000_000
    assert small["total_compute_est"] == 93_296_047_718_400_000
    missing = by_story(project, "perplexities").config
    assert missing["pretrain_eval/pile-validation/Perplexity"] is None


def test_tags(project: list[Loaded]) -> None:
    tags = {tag for p in project for tag in p.record["system_attrs"]["tags"]}
    assert {"finetune", "dpo_tune_cache", "hidden", "dclm-dolma", "1mtx1", "match_150M"} <= tags
    partial = [
        p
        for p in project
        if p.config.get("wandb_tags")
        and set(p.config["wandb_tags"].split(",")) < set(p.record["system_attrs"]["tags"])
    ]
    assert len(partial) > 50


def test_personal_data_is_invented_and_everywhere(project: list[Loaded]) -> None:
    users = Counter(p.record["system_attrs"]["user"]["username"] for p in project)
    assert len(users) == 5
    assert min(users.values()) > 20
    assert any("asimov@" in (p.record["system_attrs"]["notes"] or "") for p in project)
    hosts = set()
    for p in project:
        metadata = p.record["wandb_metadata"]
        user = p.record["system_attrs"]["user"]["username"]
        hosts.add(metadata["host"])
        assert metadata["username"] == user
        assert metadata.get("email", f"{user}@example.org") == f"{user}@example.org"
        assert f"/{user}" in metadata["executable"]
        assert f"/{user}" in metadata["program"]
        if "slurm" in metadata:
            assert metadata["slurm"]["job_user"] == user
            assert f"/{user}" in (last_value(p.args, "--output_dir") or "")
        if "exp_name" in p.config:
            for key in ("output_dir", "model_name_or_path", "tokenizer_name_or_path"):
                assert f"/{user}" in p.config[key]
            assert f"/{user}" in p.config["tokenizer"]
    assert len(hosts) > 10
    mails = set(re.findall(r"[\w.]+@[\w.]+\w", json.dumps([p.record for p in project[:60]])))
    assert all(mail.endswith("@example.org") for mail in mails)


# -- the package ---------------------------------------------------------------------------------


def test_every_scenario_occurs_and_has_a_story(project: list[Loaded]) -> None:
    assert [p.run.story for p in project[: len(SPECIAL)]] == [s.story for s in SPECIAL]
    assert all(s.story for s in SPECIAL)
    assert len(project) >= len(SPECIAL) + 5 * len(ORDINARY)


def test_only_the_standard_library_is_imported() -> None:
    """By the simulator of W&B; others compute in DuckDB and pin their rows, the demo lands them."""
    others = {"pretrain.py", "instances.py", "posttrain.py", "demo.py"}
    for path in (ROOT / "extract" / "simulator").glob("*.py"):
        if path.name in others:
            continue
        for module in re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE):
            top = module.partition(".")[0]
            assert not top or top in sys.stdlib_module_names, (path.name, module)


def test_it_is_fast() -> None:
    start = time.perf_counter()
    for run in simulate_runs():
        json.dumps(run.record)
        for row in run.history():
            json.dumps(row)
    assert time.perf_counter() - start < 5
