"""Facts that several parts of a run record repeat, drawn once per run."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from . import names
from .history import PADDED_PER_TOKEN
from .machine import HARDWARE
from .plans import RunPlan

# written by the first version of the trainer, which had no --wandb_config flag
FIRST_TRAINER = frozenset({"old", "other", "REDUCE_LOSS", "FT1", "FT3", "DPO1", "DPO2"})
NEW_SEED_SINCE = 1_755_734_400  # 2025-08-21: the seed flag changed from 42 (default) to 8
REPOSITORY = "open-instruct-fts"


def utc_text(seconds: float, fraction: str = "") -> str:
    """ISO time in UTC; epoch seconds are cut to whole ones."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(seconds))) + fraction + "Z"


def hex_text(rng: Random, digits: int) -> str:
    """A random hexadecimal text; one draw gives 13 digits."""
    draws = -(-digits // 13)
    return "".join([f"{int(rng.random() * 2**52):013x}" for _ in range(draws)])[:digits]


class RunFacts:
    """Paths, machine, times and final values of one run; `rng` serves the other parts, too."""

    def __init__(self, plan: RunPlan) -> None:
        self.plan = plan
        self.rng = Random(plan.rng_name)
        self.skill = names.SIZES.index(plan.size) / (len(names.SIZES) - 1)
        person = plan.person
        self.repository = f"{person.scratch}/gitfiles/{REPOSITORY}"
        self.output_dir = f"{self.repository}/models/{plan.name.partition('_Ft_')[0]}/{plan.name}"
        if plan.scenario.pattern == "DPO2":  # starts from a fine-tune of this project
            sft = f"test_finetune_DD-{plan.spelling.text}-{plan.size.label}_main"
            self.model_path = (
                f"{self.repository}/models/{sft}/{sft}_100M_toks_--learning_rate={plan.sft_lr}/"
            )
        else:
            hub = f"{person.scratch}/.cache/huggingface/hub"
            repository = f"models--allenai--DataDecide-{plan.spelling.slug}-{plan.size.label}"
            self.model_path = f"{hub}/{repository}/snapshots/{hex_text(self.rng, 40)}"
        self.commit = hex_text(self.rng, 40)
        self.hardware = HARDWARE[int(self.rng.random() * len(HARDWARE))]
        self.host = f"node-{plan.node:03d}"
        self.seed_flag = 8 if plan.created >= NEW_SEED_SINCE else 42
        self.pretrain_steps = plan.size.final_step
        self.has_wandb_config = plan.scenario.pattern not in FIRST_TRAINER
        self.finetune_sequences = plan.sequences * plan.epochs
        self.wandb_config = (
            f"model_size={plan.size.parameters},model_pretrain_steps={self.pretrain_steps},"
            f"model_pretrain_compute={self.pretrain_compute(self.pretrain_steps)},"
            f"finetune_unique_sequences={plan.sequences},"
            f"finetune_sequences={self.finetune_sequences}"
        )
        self.last = plan.history.last_metrics() if plan.history.logged_until else {}
        last_step = plan.history.logged_until
        self.trained = not plan.scenario.evaluation_only and last_step > 0
        self.final = self._final_values()
        self.ended = (
            plan.history.timestamp_at(last_step) if last_step else float(plan.created) + 30.0
        )
        # evaluations were uploaded days or weeks later
        self.touched = self.ended + (
            86_400.0 * (1 + int(self.rng.random() * 20)) if plan.evaluated else 35.0
        )

    def pretrain_compute(self, steps: int) -> int:
        """Floating-point operations of pretraining, 6 x parameters x tokens."""
        size = self.plan.size
        return 6 * size.parameters * steps * size.batch * names.SEQUENCE_LENGTH

    def dataset_cache(self) -> str:
        """Directory of the tokenised fine-tuning data."""
        if self.has_wandb_config:
            return f"{self.plan.person.scratch}/.cache/open-instruct/datasets"
        return f"{self.repository}/local_dataset_cache"

    def _final_values(self) -> dict[str, Any]:
        """The summary without evaluations."""
        plan, history = self.plan, self.plan.history
        step = history.logged_until
        values: dict[str, Any] = {"_wandb": {"runtime": 90}}
        if self.trained:
            runtime = history.runtime_at(step)
            values = {
                "_runtime": runtime,
                "_step": step,
                "_timestamp": history.timestamp_at(step),
                "_wandb": {"runtime": int(runtime)},
                **self.last,
            }
            if plan.method != "dpo":
                if "per_device_tps" not in values:
                    tps = history.true_tokens / history.total_steps / history.seconds_per_step / 2
                    values["per_device_tps"] = round(tps, 10)
                    values["per_device_tps_including_padding"] = round(tps * PADDED_PER_TOKEN, 10)
                if history.counter:
                    # exact integers here, also where the history holds doubles
                    values["total_tokens"] = int(values["total_tokens"])
                    values["total_tokens_including_padding"] = int(
                        values["total_tokens"] * PADDED_PER_TOKEN
                    )
            if values["learning_rate"] == 0:
                values["learning_rate"] = 0  # integral numbers lose their point
            if any(at == step for at, _, _ in history.odd_values):
                values["train_loss"] = None  # NaN becomes null in a summary
        return values
