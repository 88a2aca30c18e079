"""The situations a simulated project must contain, as an ordered list.

Every entry of SPECIAL occurs once, at the start of the project, and says in `story` what it is
there for.  ORDINARY is repeated for all later runs.  A field left at its default is chosen when
the run is planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NAN = float("nan")
INF = float("inf")


@dataclass(frozen=True)
class Scenario:
    """What is special about one run.  Fractions are of the planned training, from 0 to 1."""

    pattern: str
    story: str
    # parts of the run id and settings; None = chosen when planning
    recipe: str | None = None
    size: str | None = None
    exp: str | None = None
    lr: str | None = None
    tokens: str | None = None
    epochs: int | None = None
    step: str | None = None
    seed: str | None = None
    samples: int | None = None
    reduce_loss: str | None = None
    csize: str | None = None
    crecipe: str | None = None
    metric: str | None = None
    template: str | None = None  # an id shape other than the pattern's usual one
    run_id: str | None = None  # a literal id, kept as it is
    hidden_name: bool = False  # run_id random, the constructed id only as displayed name
    same_submission: bool = False  # shares the id timestamp with the run before
    early: bool = False  # created before 2025-08-21
    queued_hours: float = 0.0
    # course of the run
    state: str = "finished"
    progress: float = 1.0  # part of the training that was logged
    resumes: tuple[float, ...] = ()  # restarts from a checkpoint; each may lose whole epochs
    training_epochs: int | None = None  # where it differs from the epochs of the run id
    cadence: int | None = None  # steps between history rows
    history: bool = True
    counter: bool = True  # is total_tokens logged
    repeat_at: float | None = None  # a step logged twice
    gap: tuple[float, float] | None = None  # steps in between are missing
    odd_values: tuple[tuple[float, str, Any], ...] = ()  # (fraction, metric, value) in history
    # what later uploads did to the record
    evaluated: bool | None = None  # None = usual share of the finished fine-tunes
    evaluation_only: bool = False  # no training summary, metadata of the updating script
    config_overwritten: bool = False  # only model, size and evaluation keys are left in config
    config_nulls: tuple[str, ...] = ()
    text_numbers: bool | None = None  # sizes copied from the wandb_config text stay text
    exact_integers: bool = False  # integers above 2^63 written in full, not as float
    pretrain_steps: int | None = None  # a wrong value in config
    equals_args: bool = False  # args written --flag=value
    notes: str | None = None


def _words(text: str) -> list[str]:
    return text.split()


def _literal(run_id: str, story: str, **kwargs: Any) -> Scenario:
    return Scenario("other", story, run_id=run_id, **kwargs)


# A table, one entry in few lines:
# fmt: off
SPECIAL: tuple[Scenario, ...] = (
    # -- initial tests, before 2025-08-21 ---------------------------------------------------
    Scenario("old", "first test, crashed after a resume lost one epoch", size="4M", recipe="d17",
             early=True, lr="0.0001", state="crashed", progress=0.966, resumes=(0.675,)),
    Scenario("old", "directory name uploaded as id", size="4M", recipe="d17", early=True,
             template="{ts8}_allenai--DataDecide-{slug}-{size}_main_default__42__{epoch_seconds}",
             state="failed", progress=0.05, cadence=10),
    Scenario("old", "DPO1 shape without dpo in the experiment name", early=True,
             template="{ts8}_finetune_DD-{recipe}-{size}_main_default", size="10M",
             state="killed", progress=0.3),
    Scenario("DPO1", "first preference run, every step", early=True, size="4M", samples=12_800),
    Scenario("DPO1", "preference run killed half way", early=True, size="60M", samples=25_600,
             state="killed", progress=0.5),
    Scenario("DPO1", "preference run that failed before the first step", early=True, size="20M",
             state="failed", progress=0.0),
    Scenario("REDUCE_LOSS", "loss reduction, mean, tiny", early=True, samples=200,
             reduce_loss="mean", size="4M", recipe="dolma1_7", exp="reduce_check"),
    Scenario("REDUCE_LOSS", "loss reduction, sum, tiny", early=True, samples=200,
             reduce_loss="sum", size="4M", recipe="dolma1_7", exp="reduce_check",
             same_submission=True),
    Scenario("REDUCE_LOSS", "loss reduction, mean", early=True, samples=51_200, cadence=10,
             reduce_loss="mean", size="4M", recipe="dolma1_7", exp="reduce_check",
             same_submission=True),
    Scenario("REDUCE_LOSS", "loss reduction, sum", early=True, samples=51_200, cadence=10,
             reduce_loss="sum", size="4M", recipe="dolma1_7", exp="reduce_check",
             same_submission=True),
    # -- ids without a pattern --------------------------------------------------------------
    _literal("2025_08_21-15_03_00_test_finetune_DD-dolma1_7-4M_main", "directory prefix as id",
             state="failed", progress=0.0, size="4M"),
    _literal("2025_08_30-16_54_48_test_finetune_DD-dolma1_7-4M", "directory prefix as id",
             state="crashed", progress=0.0, size="4M"),
    _literal("250901-155734_test_finetune_DD-dclm-baseline-150M", "directory prefix as id",
             size="150M", recipe="dclm", state="failed", progress=0.0),
    _literal("250912-172812_match_150M_c4_finetune", "directory prefix as id", size="530M",
             state="killed", progress=0.0),
    _literal("250904-215942_test_match_60M_f", "truncated id", size="60M", progress=0.1,
             state="crashed"),
    _literal("_Ft_DD-dclm_qc10p-60M-29042-0", "id that lost its head", size="60M",
             recipe="dclm_qc10p"),
    _literal(" 250904-230000_test_match_150M_finetune_10Mtx1_DD-d17-300M-17500-2_lr=5e-05",
             "matched id with a leading blank", size="300M", lr="5e-05"),
    Scenario("other", "random id, no settings", size="4M", state="crashed", progress=0.02),
    Scenario("FT1", "random id, the fine-tune name only as displayed name", hidden_name=True,
             size="20M", tokens="10M", epochs=1, lr="5e-06"),
    # -- counter resets ---------------------------------------------------------------------
    Scenario("FT4", "full fine-tune, one reset near the end", size="4M", recipe="d17", lr="5e-05",
             resumes=(0.982,), evaluated=True),
    Scenario("FT7", "full fine-tune, one reset, resumed once more without loss", size="60M",
             resumes=(0.2, 0.6), seed="0"),
    Scenario("FT4", "full fine-tune extended to three epochs, two resets", size="10M",
             resumes=(0.5, 0.8), training_epochs=3),
    Scenario("FT6", "token sweep, one reset", tokens="10M", epochs=2, cadence=10, size="4M",
             seed="14", resumes=(0.7,)),
    Scenario("FT6", "token sweep over four epochs, two resets losing one and two epochs",
             tokens="10M", epochs=4, cadence=10, size="150M", seed="15", resumes=(0.4, 0.9)),
    Scenario("FT1", "token sweep, three epochs, two resets", tokens="100M", epochs=3, size="6M",
             resumes=(0.45, 0.8)),
    Scenario("MATCHED1", "matched run, one reset", tokens="100M", epochs=2, csize="150M",
             metric="c4", size="530M", step="6250", seed="2", resumes=(0.75,)),
    Scenario("FT3", "reset with max_train_samples and no tx: cannot be repaired", tokens="200M",
             samples=140_000, training_epochs=2, size="8M", resumes=(0.66,)),
    # -- states and missing parts -----------------------------------------------------------
    Scenario("FT4", "crashed full fine-tune", size="300M", state="crashed", progress=0.41),
    Scenario("FT5", "failed full fine-tune", size="90M", state="failed", progress=0.03,
             recipe="dclm-baseline-qc-fw-3p"),
    Scenario("MATCHED3", "killed matched run", size="750M", state="killed", progress=0.77,
             csize="150M"),
    Scenario("FT7", "full fine-tune still running", size="1B", seed="4", state="running",
             progress=0.55),
    Scenario("MATCHED8", "matched run still running", size="530M", state="running", progress=0.3,
             csize="150M", tokens="100M", cadence=10),
    Scenario("FT4", "finished full fine-tune without any token counter", size="16M", counter=False),
    Scenario("FT5", "finished full fine-tune, evaluations only", size="14M", evaluation_only=True,
             recipe="dclm"),
    Scenario("FT3", "summary has total_tokens, history is empty", size="4M", history=False,
             tokens="100M", lr="5e-06"),
    Scenario("FT1", "evaluations only", size="4M", exp="test_finetune", tokens="1M", epochs=1,
             lr="5e-07", recipe="dolma1_7", evaluation_only=True),
    Scenario("FT1", "evaluations only, same sweep", size="4M", tokens="1M", epochs=1,
             exp="test_finetune", lr="5e-06", recipe="dolma1_7", evaluation_only=True,
             same_submission=True),
    # -- configs damaged by later uploads ---------------------------------------------------
    Scenario("FT5", "config overwritten by an evaluation upload, args kept, wrong steps",
             size="150M", recipe="dclm-baseline", lr="5e-05", config_overwritten=True,
             pretrain_steps=69_369, queued_hours=14.8, evaluated=True),
    Scenario("FT5", "config overwritten, recipe with dots and dashes", size="150M",
             recipe="dclm-baseline-25p-dolma1.7-75p", lr="1e-05", config_overwritten=True,
             evaluated=True),
    Scenario("FT7", "config overwritten, args as --flag=value", size="60M", lr="2e-05",
             recipe="dclm_qc10p", step="29042", seed="0", config_overwritten=True, evaluated=True,
             equals_args=True),
    Scenario("MATCHED4", "neither config nor args nor id hold a learning rate", size="150M",
             csize="60M", tokens="10M", epochs=1, config_overwritten=True, evaluation_only=True),
    Scenario("MATCHED5", "overwritten by an evaluation upload, full fine-tune", size="90M",
             csize="60M", config_overwritten=True, evaluation_only=True),
    Scenario("FT6", "seed and learning rate null in config", size="20M", tokens="100M", epochs=1,
             config_nulls=("seed", "learning_rate", "num_train_epochs")),
    Scenario("FT6", "config steps differ from the steps in wandb_config", size="90M",
             pretrain_steps=15_000, text_numbers=True, evaluated=True, tokens="100M", epochs=1),
    Scenario("MATCHED1", "numbers as text", size="530M", csize="150M", metric="c4", tokens="100M",
             epochs=1, step="6250", seed="2", lr="5e-06", cadence=100, text_numbers=True,
             evaluated=True, recipe="d17"),
    Scenario("FT7", "integers above 2^63 written in full", size="530M", seed="2",
             exact_integers=True, evaluated=True),
    Scenario("FT4", "perplexities of the base model missing", size="150M", evaluated=True,
             config_nulls=("pretrain_eval/c4_en-validation/Perplexity",
                           "pretrain_eval/pile-validation/Perplexity")),
    Scenario("FT7", "note with an e-mail address", size="60M", evaluated=True,
             notes="rerun of the July sweep, ask asimov@example.org before deleting"),
    # -- odd histories ----------------------------------------------------------------------
    Scenario("FT7", "diverged: loss NaN at some steps and at the last one", size="300M",
             lr="0.001",
             odd_values=((0.4, "train_loss", NAN), (0.41, "train_loss", NAN),
                         (1.0, "train_loss", NAN)), evaluated=False),
    Scenario("FT4", "NaN and Infinity as text", size="8M",
             odd_values=((0.25, "train_loss", "NaN"), (0.5, "train_loss", "Infinity"),
                         (0.75, "train_loss", "-Infinity"))),
    Scenario("DPO2", "infinite reward margin", size="4M", tokens="100M", samples=25_600,
             odd_values=((0.3, "rewards/margin", INF), (0.31, "rewards/margin", -INF),
                         (0.6, "train_loss", NAN), (0.7, "rewards/margin", "NaN"))),
    Scenario("FT4", "a step logged twice after a resume", size="10M", repeat_at=0.3),
    Scenario("FT6", "a step logged twice, every tenth step", size="60M", repeat_at=0.8,
             tokens="100M", epochs=1, cadence=10),
    Scenario("DPO2", "a step logged twice, every step", size="10M", tokens="100M", repeat_at=0.5,
             samples=25_600),
    Scenario("FT5", "steps missing in the middle", size="60M", gap=(0.35, 0.45)),
    Scenario("DPO2", "steps missing in the middle, every step", size="4M", tokens="10M",
             gap=(0.2, 0.4), samples=51_200),
    # -- parts of ids that are rarely used --------------------------------------------------
    Scenario("FT1", "recipe spelling nobody knows", recipe="mystery_mix", size="4M", tokens="10M",
             epochs=1),
    Scenario("FT7", "recipe spelling nobody knows", recipe="mystery_mix", size="60M"),
    Scenario("FT7", "checkpoint seed outside the table", size="150M", seed="7", recipe="c4",
             step="37500"),
    Scenario("FT6", "1B model, auxiliary seed", size="1B", seed="5", tokens="10M", epochs=1),
    Scenario("FT6", "unit G", size="60M", tokens="1G", epochs=2, cadence=100),
    Scenario("MATCHED8", "unit B", size="530M", tokens="1B", epochs=2, csize="150M", cadence=100),
    Scenario("FT1", "step word with an underscore", size="4M", step="step_1250", tokens="1M",
             epochs=1),
    Scenario("FT1", "1 million tokens, ten epochs", size="14M", tokens="1M", epochs=10, cadence=10),
    Scenario("MATCHED1", "comparison metric that looks like a size", size="530M", csize="150M",
             metric="10M", tokens="10M", epochs=1),
    Scenario("FT7", "lower-case comparison size: a plain full fine-tune", size="150M",
             exp="match_60m_finetune", recipe="c4", step="37500", seed="0"),
    Scenario("MATCHED6", "comparison recipe with dots and dashes", csize="150M", size="300M",
             crecipe="dclm-baseline-25p-dolma1.7-75p", recipe="d17", step="17500", seed="2"),
    Scenario("DPO2", "preference run on a fine-tune of 1B tokens", size="4M", tokens="1B"),
)
# fmt: on

ORDINARY_STORY = "ordinary"
# Patterns of one round of ordinary runs.  41 entries: no common factor with the number of sizes
# or spellings, so that the rotations over them meet every pattern.
ORDINARY: tuple[Scenario, ...] = tuple(
    Scenario(pattern, ORDINARY_STORY, early=pattern in {"old", "DPO1", "REDUCE_LOSS"})
    for pattern in _words(
        "FT1 FT5 FT6 MATCHED1 FT4 FT7 MATCHED6 FT3 FT5 MATCHED8 FT1 DPO2 FT6 MATCHED2 FT5 FT7"
        " MATCHED3 FT1 MATCHED7 REDUCE_LOSS FT6 FT4 MATCHED9 FT5 FT1 MATCHED4 DPO1 FT7 FT6"
        " MATCHED5 FT3 other MATCHED10 FT5 FT1 MATCHED1 MATCHED6 old FT4 FT7 MATCHED7"
    )
)


def scenario(index: int) -> Scenario:
    """The scenario of the run with this position in the project (0 = first)."""
    if index < len(SPECIAL):
        return SPECIAL[index]
    return ORDINARY[(index - len(SPECIAL)) % len(ORDINARY)]
