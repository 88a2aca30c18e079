"""Step histories: rows are generated from a small plan, so memory does not grow with length."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SEQUENCES_PER_STEP = 128  # 2 devices x batch 4 x 16 accumulation steps (DPO: 2 x 2 x 32)
PADDED_PER_TOKEN = 2.0879  # tokens including padding per real token, as logged by real runs
RESUME_DOWNTIME_S = 72_000.0  # a resumed job waited about a day in the queue
STARTUP_S = 240.0  # loading and tokenising before the first step
_NOISE_TOKENS = 0.004  # relative wobble of the counter within one logging interval


@dataclass(frozen=True)
class HistoryPlan:
    """One run's history.  Steps are optimiser steps, times are seconds, tokens are counts."""

    run_id: str
    noise_seed: str
    method: str  # "finetune" or "dpo"
    rows: bool  # False: nothing was logged
    interval: int
    total_steps: int
    logged_until: int  # last logged step, a multiple of interval (0 = none)
    peak_lr: float
    warmup_ratio: float
    true_tokens: int  # tokens of the whole planned training
    lost: tuple[tuple[int, int], ...]  # (first step after a resume, tokens missing since then)
    counter: bool
    counter_as_float: bool
    throughput_logged: bool
    last_batch_counted: bool  # the last full step already shows the tokens of the rest
    start: float  # epoch seconds
    seconds_per_step: float
    loss_start: float
    loss_end: float
    samples: int  # sequences per epoch
    sequences: int  # sequences of the whole training
    gap: tuple[int, int] | None = None  # steps a < s <= b are missing
    repeat_step: int | None = None
    odd_values: tuple[tuple[int, str, Any], ...] = ()

    def row_count(self) -> int:
        """Number of rows that iterate() yields."""
        if not self.rows:
            return 0
        count = self.logged_until // self.interval
        if self.gap:
            count -= self.gap[1] // self.interval - self.gap[0] // self.interval
        return count + (self.repeat_step is not None)

    def schedule(self, step: int) -> float:
        """Learning rate at a step: linear warm-up, then linear decay to zero."""
        warmup = max(1, int(self.total_steps * self.warmup_ratio))
        if step <= warmup:
            return round(self.peak_lr * step / warmup, 10)
        left = max(0, self.total_steps - step)
        return round(self.peak_lr * left / max(1, self.total_steps - warmup), 10)

    def tokens_at(self, step: int) -> int:
        """Tokens really trained on up to a step: the exact share of the sequences seen."""
        seen = min(step * SEQUENCES_PER_STEP, self.sequences)
        if self.last_batch_counted and step >= self.total_steps - 1:
            seen = self.sequences
        return self.true_tokens * seen // self.sequences

    def counter_at(self, step: int, tokens: int | None = None) -> int:
        """The logged counter: after a resume it counts from the start of the epoch only."""
        missing = 0
        for first_step, lost in self.lost:
            if step >= first_step:
                missing = lost
        return (self.tokens_at(step) if tokens is None else tokens) - missing

    def resets(self) -> int:
        """How often the logged counter goes down."""
        if not self.rows or not self.counter:
            return 0
        missing, count = 0, 0
        for first_step, lost in self.lost:
            if first_step <= self.logged_until and lost > missing:
                count += 1
                missing = lost
        return count

    def downtime(self, step: int) -> float:
        """Seconds lost in queues before this step."""
        return RESUME_DOWNTIME_S * sum(1 for first_step, _ in self.lost if step >= first_step)

    def runtime_at(self, step: int) -> float:
        """Seconds of computing up to a step, without the time in the queue."""
        return round(STARTUP_S + step * self.seconds_per_step, 9)

    def timestamp_at(self, step: int) -> float:
        """Epoch seconds when a step was logged."""
        return round(self.start + self.runtime_at(step) + self.downtime(step), 4)

    def last_metrics(self) -> dict[str, Any]:
        """Metrics of the last row; the run summary repeats them."""
        return self._metrics(self.logged_until, 0.5, 0.5, 0.5)

    def _metrics(self, step: int, a: float, b: float, c: float) -> dict[str, Any]:
        """Metrics at a step; a, b, c in [0, 1) are noise, 0.5 = none."""
        progress = step / self.total_steps
        loss = self.loss_end + (self.loss_start - self.loss_end) * (1 - progress) / (
            1 + 6 * progress
        )
        if self.method == "dpo":
            chosen = round(-0.004 * progress + 0.004 * (a - 0.5), 10)
            rejected = round(-0.009 * progress + 0.004 * (b - 0.5), 10)
            return {
                "train_loss": round(loss + 0.002 * (c - 0.5), 10),
                "learning_rate": self.schedule(step),
                "epoch": round(step * SEQUENCES_PER_STEP / self.samples, 10),
                "training_step": step,
                "logps/chosen": round(-1.42 + 0.08 * (a - 0.5), 10),
                "logps/rejected": round(-1.40 + 0.08 * (b - 0.5), 10),
                "rewards/chosen": chosen,
                "rewards/rejected": rejected,
                "rewards/average": round((chosen + rejected) / 2, 10),
                "rewards/margin": round(chosen - rejected, 10),
                "rewards/accuracy": int(40 + 30 * progress + 40 * c) / SEQUENCES_PER_STEP,
            }
        metrics: dict[str, Any] = {}
        if self.counter:
            tokens = self.tokens_at(step)
            # one wobble for all rows keeps the counter increasing; none on the last row
            tokens += int(
                (a - 0.5) * _NOISE_TOKENS * self.true_tokens * self.interval / self.total_steps
            )
            count = self.counter_at(step, tokens)
            metrics["total_tokens"] = float(count) if self.counter_as_float else count
        metrics["train_loss"] = round(loss * (1 + 0.01 * (b - 0.5)), 10)
        metrics["learning_rate"] = self.schedule(step)
        if self.throughput_logged:
            per_device = self.true_tokens / self.total_steps / self.seconds_per_step / 2
            tps = per_device * (1 + 0.02 * (c - 0.5))
            metrics["per_device_tps"] = round(tps, 10)
            metrics["per_device_tps_including_padding"] = round(tps * PADDED_PER_TOKEN, 10)
            if self.counter:
                padded = int(count * PADDED_PER_TOKEN)
                metrics["total_tokens_including_padding"] = (
                    float(padded) if self.counter_as_float else padded
                )
        return metrics

    def iterate(self) -> Iterator[dict[str, Any]]:
        """Rows {run_id, step, timestamp, runtime, metrics{}} in logging order."""
        if not self.rows:
            return
        rnd = random.Random(self.noise_seed).random
        odd = {step: (metric, value) for step, metric, value in self.odd_values}
        gap_from, gap_to = self.gap or (0, 0)
        run_id, interval, last = self.run_id, self.interval, self.logged_until
        for step in range(interval, last + 1, interval):
            if gap_from < step <= gap_to:
                continue
            if step == last:
                a = b = c = 0.5
            else:
                a, b, c = rnd(), rnd(), rnd()
            metrics = self._metrics(step, a, b, c)
            if step in odd:
                metric, value = odd[step]
                metrics[metric] = value
            row = {
                "run_id": run_id,
                "step": step,
                "timestamp": self.timestamp_at(step),
                "runtime": self.runtime_at(step),
                "metrics": metrics,
            }
            yield row
            if step == self.repeat_step:
                again = self._metrics(step, 0.5 + a / 2, c, b)
                yield {
                    "run_id": run_id,
                    "step": step,
                    "timestamp": round(row["timestamp"] + 0.4 * self.seconds_per_step, 4),
                    "runtime": round(row["runtime"] + 0.4 * self.seconds_per_step, 9),
                    "metrics": again,
                }
