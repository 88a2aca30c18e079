"""The sample's matched run beside the pretraining of the checkpoint it started from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.python.warehouse.harness import Warehouse


@pytest.fixture(scope="module")
def joined(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Runs and pretraining results of the sample, in one warehouse, with every data test run."""
    built = Warehouse(tmp_path_factory.mktemp("joined"))
    built.land(sample / "runs.jsonl", sample / "history.jsonl")
    source = sample.parent / "huggingface"
    done = built.attempt(sys.executable, "-m", "extract", "pretrain", "--source", str(source))
    assert done.returncode == 0, done.stderr
    built.build(tests=True)
    return built


def test_the_matched_run_stands_beside_its_checkpoint(joined: Warehouse) -> None:
    (run,) = joined.rows("from marts.matched_runs where run_type = 'matched'")
    assert (run["match_status"], run["ckpt_params"], run["ckpt_recipe"]) == (
        "matched", "530M", "Dolma1.7",
    )  # fmt: skip
    # Its name says seed 2, which is `default` in the namespace of the run names.
    assert (run["ckpt_seed"], run["ckpt_step_resolved"]) == ("default", 6250)
    assert run["pt_tokens"] == 5_734_400_000
    assert run["pt_pile-valppl"] == pytest.approx(13.8397, abs=5e-5)
    assert run["pt_c4_en-valppl"] == pytest.approx(25.1079, abs=5e-5)
    assert run["pt_arc_easy_primary_metric"] == pytest.approx(0.441498, abs=5e-7)
    assert run["pt_arc_easy_acc_uncond"] == pytest.approx(0.428451, abs=5e-7)
    assert run["pt_mmlu_average_primary_metric"] == pytest.approx(0.257032, abs=5e-7)
    assert run["pt_lr_at_step"] == pytest.approx(0.0027368998806870724, rel=1e-12)
    assert run["pt_cumulative_lr"] == pytest.approx(13.599030236812395, rel=1e-9)
    assert run["delta_arc_easy_primary_metric"] == (
        run["ft_arc_easy_primary_metric"] - run["pt_arc_easy_primary_metric"]
    )
    assert run["pt_ft_tokens"] == 5_734_400_000 + 100_000_000
    assert run["pt_ft_tokens_real"] == 5_734_400_000 + 91_330_008


def test_the_other_runs_stay_and_say_why(joined: Warehouse) -> None:
    """The sample's slice of the results has no full 150M, and DPO runs have no evaluations."""
    statuses = joined.query(
        "select run_type, match_status, ckpt_params, ckpt_step_resolved, is_step_mixed "
        "from marts.matched_runs where run_type <> 'matched' order by run_type"
    )
    assert statuses == [
        # `main` is the last step that the results know; the perplexities go on ten steps further.
        ("dpo", "not_evaluated", "4M", 5735, True),
        ("simple_ft", "matched", "4M", 5735, True),
        ("simple_ft_vary_tokens", "matched", "4M", 5735, True),
    ]


def test_the_group_of_the_matched_run(joined: Warehouse) -> None:
    """The comparison model is not in the slice: the group stands without its value."""
    ((name, members, runs, median, comparison),) = joined.query(
        "select matched_group_name, n_members, n_runs, matched_group_med_metric, "
        "comparison_metric_value from marts.matched_groups"
    )
    assert (name, members, runs) == ("150M_c4_en-valppl_Dolma1.7", 1, 1)
    assert median == pytest.approx(25.1079, abs=5e-5)
    assert comparison is None


def test_the_progression_goes_on_where_pretraining_ends(joined: Warehouse) -> None:
    rows = joined.rows(
        "select progressed.* from marts.run_progressions as progressed "
        "inner join marts.runs using (run_path) where run_type = 'matched' "
        "order by phase desc, step"
    )
    pretraining = [row for row in rows if row["phase"] == "pretraining"]
    finetuning = [row for row in rows if row["phase"] == "finetuning"]
    assert [row["step"] for row in pretraining] == [0, 1250, 2500, 3750, 5000, 6250]
    assert [row["step"] for row in finetuning] == list(range(100, 1001, 100))
    assert pretraining[-1]["cumulative_tokens"] == 5_734_400_000
    assert finetuning[-1]["cumulative_tokens"] == 5_734_400_000 + 91_330_008
    # Evaluations are of the end of the fine-tuning, and of no other step of it.
    scores = [row["arc_easy_primary_metric"] for row in finetuning]
    assert scores[:-1] == [None] * 9
    assert scores[-1] is not None
