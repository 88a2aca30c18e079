"""Planning: turns a scenario and a position in the project into all settings of one run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from . import names
from .history import SEQUENCES_PER_STEP, HistoryPlan
from .scenarios import Scenario

T = TypeVar("T")

FULL_SEQUENCES = 934_407  # sequences of the whole fine-tuning mixture
FULL_TOKENS = 665_127_434  # their real tokens
SEQUENCES_PER_MILLION = 1_400  # a nominal million tokens is a count of sequences
PREFERENCE_SEQUENCES = 269_566  # pairs of the whole preference mixture
PREFERENCE_TOKENS = 180_000_000  # plausible; preference runs log no tokens

PROJECT_START = 1_755_766_800  # 2025-08-21T09:00:00Z
EARLY_START = 1_755_500_400  # 2025-08-18T07:00:00Z, three days of initial tests
EARLY_SPAN_S = 234_000
PROJECT_SPAN_S = 40 * 24 * 3600
# Prime and no divisor of a span: submission times, and with them run ids, stay different for
# more than 200,000 runs.
SECONDS_BETWEEN_RUNS = 8_231
LOCAL_OFFSET_S = 7 * 3600  # ids carry local time, seven hours behind UTC

LEARNING_RATES = ("5e-06", "5e-05", "1e-05", "2e-05", "1e-06", "5e-07", "0.0001")
DPO_LEARNING_RATES = ("2e-07", "5e-07", "1e-06", "5e-08")
SMALL_SEEDS = ("0", "2", "14", "15")
LARGE_SEEDS = ("0", "2", "4", "5")  # the large auxiliary seeds exist for 1B only
STEP_WORDS = ("main", "main", "main", "1250", "step_2500")
TOKEN_TEXTS = ("10M", "100M", "1M", "100M", "30M")
PREFERENCE_SAMPLES = (None, 12_800, 25_600, 51_200)  # None = whole mixture
EVALUATED_SHARE = 0.85  # of the finished fine-tunes
_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Person:
    """An invented user with invented directories."""

    username: str
    home: str
    scratch: str

    @property
    def email(self) -> str:
        return f"{self.username}@example.org"

    @property
    def full_name(self) -> str:
        return f"{self.username.capitalize()} Simulated"


PEOPLE: tuple[Person, ...] = (
    Person("asimov", "/home/asimov", "/scratch/asimov"),
    Person("leguin", "/cluster/home/leguin", "/cluster/scratch/leguin"),
    Person("lem", "/home/lem", "/data/groups/robotics/lem"),
    Person("butler", "/mnt/home/butler", "/scratch/butler"),
    Person("strugatsky", "/home/strugatsky", "/scratch2/strugatsky"),
)


@dataclass(frozen=True)
class RunPlan:
    """All settings of one run, before any payload is built."""

    index: int
    scenario: Scenario
    rng_name: str  # text that seeds the payload's random numbers
    run_id: str
    name: str  # run_name and displayName; also exp_name in config and args
    person: Person
    node: int
    size: names.Size
    spelling: names.Spelling
    method: str  # "finetune" or "dpo"
    lr: str
    sft_lr: str
    samples: int | None  # max_train_samples, None = all data
    sequences: int  # per epoch
    epochs: int
    tags: tuple[str, ...]
    reduce_loss: str
    created: int  # epoch seconds, UTC
    evaluated: bool
    vocabulary: int  # number of metrics per task in pretrain_eval keys, 37 or 32
    text_numbers: bool
    history: HistoryPlan


class _Amount(NamedTuple):
    """How much a run trains."""

    text: str | None  # nominal tokens as written in the id
    id_epochs: int
    epochs: int  # really trained
    samples: int | None  # max_train_samples
    sequences: int  # per epoch
    tokens_per_epoch: int


class Planner:
    """Plans runs one after the other; it remembers only how far the rotations have come."""

    def __init__(self, seed: int, history_scale: float) -> None:
        if history_scale <= 0:
            raise ValueError("history_scale must be positive")
        self._seed = seed
        self._scale = history_scale
        self._turns: dict[str, int] = {}
        self._last_submission = 0

    def _next(self, rotation: str, values: Sequence[T]) -> T:
        turn = self._turns.get(rotation, 0)
        self._turns[rotation] = turn + 1
        return values[turn % len(values)]

    def _submitted(self, index: int, sc: Scenario) -> int:
        """Submission time in epoch seconds, different for every run unless asked otherwise."""
        if not sc.same_submission:
            start, span = (
                (EARLY_START, EARLY_SPAN_S) if sc.early else (PROJECT_START, PROJECT_SPAN_S)
            )
            self._last_submission = start + index * SECONDS_BETWEEN_RUNS % span
        return self._last_submission

    def plan(self, index: int, sc: Scenario) -> RunPlan:
        """The settings of run `index`."""
        rnd = random.Random(f"{self._seed}:{index}").random

        def pick(values: Sequence[T]) -> T:
            return values[int(rnd() * len(values))]

        pattern = sc.pattern
        template = names.TEMPLATES[pattern]
        method = "dpo" if pattern.startswith("DPO") else "finetune"
        matched = pattern.startswith("MATCHED")
        size = names.SIZE_BY_LABEL[sc.size] if sc.size else pick(names.SIZES)
        lr = sc.lr or pick(DPO_LEARNING_RATES if method == "dpo" else LEARNING_RATES)
        amount = self._amount(sc, method, pick)
        spelling = self._spelling(sc)
        submitted = self._submitted(index, sc)
        reduce_loss = sc.reduce_loss or ("mean" if method == "dpo" else "sum")
        csize = (sc.csize or pick(("10M", "60M", "150M"))) if matched else None
        sft_lr = pick(("5e-06", "5e-05"))
        random_id = "".join(pick(_ID_ALPHABET) for _ in range(8))
        exp_names = names.MATCHED_EXP_NAMES if matched else names.EXP_NAMES.get(pattern, ("run",))
        slots = {
            "ts8": _local_time("%Y_%m_%d-%H_%M_%S", submitted),
            "ts6": _local_time("%y%m%d-%H%M%S", submitted),
            "exp": sc.exp or pick(exp_names),
            "recipe": spelling.text,
            "slug": spelling.slug,
            "size": size.label,
            "lr": lr,
            "sft_lr": sft_lr,
            "tokens": amount.text,
            "epochs": amount.id_epochs,
            "samples": amount.samples,
            "reduce_loss": reduce_loss,
            "csize": csize,
            "random_id": random_id,
            "epoch_seconds": submitted + 900,
        }
        if "{stepw}" in template:
            slots["stepw"] = sc.step or self._next("step words", STEP_WORDS)
        if "{seed}" in template:
            grid_step = 1250 * (1 + int(rnd() * (size.final_step // 1250)))
            slots["step"] = sc.step or str(size.final_step if rnd() < 0.3 else grid_step)
            seeds = LARGE_SEEDS if size.label == "1B" else SMALL_SEEDS
            slots["seed"] = sc.seed or self._next(f"seeds {seeds}", seeds)
        if "{metric}" in template:
            slots["metric"] = sc.metric or self._next("metrics", names.COMPARISON_METRICS)
        if "{crecipe}" in template:
            slots["crecipe"] = sc.crecipe or self._next("comparison", names.DASHED_SPELLINGS).text
        name = sc.run_id or (sc.template or template).format_map(slots)
        run_id = random_id if sc.hidden_name else name
        created = submitted + 20 + int(rnd() * 480) + int(sc.queued_hours * 3600)
        usual = sc.state == "finished" and method == "finetune" and not sc.early
        evaluated = sc.evaluated
        if evaluated is None:
            share = 0.0 if pattern == "other" else EVALUATED_SHARE
            evaluated = sc.evaluation_only or (usual and rnd() < share)
        return RunPlan(
            index=index,
            scenario=sc,
            rng_name=f"{self._seed}:{index}:payload",
            run_id=run_id,
            name=name,
            person=pick(PEOPLE),
            node=1 + int(rnd() * 24),
            size=size,
            spelling=spelling,
            method=method,
            lr=lr,
            sft_lr=sft_lr,
            samples=amount.samples,
            sequences=amount.sequences,
            epochs=amount.epochs,
            tags=_tags(pattern, method, csize, amount),
            reduce_loss=reduce_loss,
            created=created,
            evaluated=evaluated,
            # short timestamps and the smaller vocabulary both came with later tools
            vocabulary=32 if "{ts6}" in template else 37,
            text_numbers=matched if sc.text_numbers is None else sc.text_numbers,
            history=self._history(
                sc,
                index,
                run_id,
                method,
                size,
                float(lr),
                amount,
                created,
                1_400.0 if sc.early and reduce_loss == "sum" else 1.0,
            ),
        )

    def _spelling(self, sc: Scenario) -> names.Spelling:
        if sc.recipe:
            return names.spelling(sc.recipe)
        if sc.pattern == "FT5":
            return self._next("dashed", names.DASHED_SPELLINGS)
        if sc.pattern in {"old", "other"}:
            return names.spelling("dolma1_7")
        return self._next("word", names.WORD_SPELLINGS)

    def _amount(self, sc: Scenario, method: str, pick: Callable[[Sequence[Any]], Any]) -> _Amount:
        """How much the run trains, from the slots of its id."""
        template = names.TEMPLATES[sc.pattern]
        text: str | None = None
        samples, id_epochs = sc.samples, 1
        if "{epochs}" in template:
            text, id_epochs = sc.tokens or pick(TOKEN_TEXTS), sc.epochs or pick((1, 1, 2))
        elif "{tokens}" in template:
            text = sc.tokens or pick(("100M", "10M"))
        elif "_Ft_" in template or sc.pattern in {"old", "other"}:
            id_epochs = 2
        if method == "dpo":
            samples = samples or self._next("preferences", PREFERENCE_SAMPLES)
            return _Amount(
                text, id_epochs, 1, samples, samples or PREFERENCE_SEQUENCES, PREFERENCE_TOKENS
            )
        if sc.pattern == "REDUCE_LOSS":
            samples = samples or pick((200, 51_200))
        epochs = sc.training_epochs or id_epochs
        per_epoch = FULL_TOKENS
        if text:
            per_epoch = names.token_count(text)
            samples = samples or per_epoch // 1_000_000 * SEQUENCES_PER_MILLION
            if "{epochs}" not in template:
                per_epoch //= epochs  # the id names the total
        elif samples:
            per_epoch = FULL_TOKENS * samples // FULL_SEQUENCES
        return _Amount(text, id_epochs, epochs, samples, samples or FULL_SEQUENCES, per_epoch)

    def _history(
        self,
        sc: Scenario,
        index: int,
        run_id: str,
        method: str,
        size: names.Size,
        lr: float,
        amount: _Amount,
        created: int,
        loss_factor: float,
    ) -> HistoryPlan:
        sequences = amount.sequences * amount.epochs
        steps = -(-sequences // SEQUENCES_PER_STEP)
        cadence = sc.cadence
        if cadence is None:
            cadence = 1 if method == "dpo" or steps < 10 else 100 if steps >= 5_000 else 10
        interval = max(1, round(cadence / self._scale))
        if method == "dpo" and self._scale > 1:
            # already logged at every step: only longer training gives more rows
            sequences = int(sequences * self._scale)
            steps = -(-sequences // SEQUENCES_PER_STEP)

        def on_grid(fraction: float) -> int:
            return max(1, int(steps * fraction) // interval) * interval

        logged_until = int(steps * sc.progress) // interval * interval
        lost = tuple(
            (
                int(steps * fraction) // interval * interval + interval,
                int(fraction * amount.epochs) * amount.tokens_per_epoch,
            )
            for fraction in sc.resumes
        )
        loss_end = loss_factor * (1.05 + 3.0 / (1.0 + size.parameters / 4e6))
        return HistoryPlan(
            run_id=run_id,
            noise_seed=f"{self._seed}:{index}:history",
            method=method,
            rows=sc.history and not sc.evaluation_only and logged_until > 0,
            interval=interval,
            total_steps=steps,
            logged_until=logged_until,
            peak_lr=lr,
            warmup_ratio=0.1 if method == "dpo" else 0.03,
            true_tokens=amount.tokens_per_epoch * amount.epochs,
            lost=lost,
            counter=sc.counter and method != "dpo",
            # three independent habits, spread evenly over the runs
            counter_as_float=index % 2 == 0,
            throughput_logged=index % 3 == 0,
            last_batch_counted=index % 5 < 2,
            start=float(created),
            seconds_per_step=5.5 + 3e-8 * size.parameters,
            loss_start=0.6931471806 if method == "dpo" else 1.05 * loss_end,
            loss_end=0.66 if method == "dpo" else loss_end,
            samples=amount.sequences,
            sequences=sequences,
            gap=(on_grid(sc.gap[0]), on_grid(sc.gap[1])) if sc.gap else None,
            repeat_step=None if sc.repeat_at is None else on_grid(sc.repeat_at),
            odd_values=tuple((on_grid(at), key, value) for at, key, value in sc.odd_values),
        )


def _local_time(form: str, submitted: int) -> str:
    return time.strftime(form, time.gmtime(submitted - LOCAL_OFFSET_S))


def _tags(pattern: str, method: str, csize: str | None, amount: _Amount) -> tuple[str, ...]:
    """Tags of the run object, sorted as the service returns them."""
    if pattern == "old":
        return ("finetune", "hidden")
    if method == "dpo":
        return ("dpo_tune_cache", "hidden") if pattern == "DPO1" else ("dpo_tune_cache",)
    tags = {"finetune"}
    if csize:
        tags.add(f"match_{csize}")
    if amount.text and "{epochs}" in names.TEMPLATES[pattern]:
        tags.add(f"{amount.text.lower()}tx{amount.id_epochs}")
    elif amount.text:
        tags.add(f"{amount.text.lower()}t")
    elif pattern in {"FT4", "FT5", "FT7"}:
        tags.add("dclm-dolma" if pattern != "FT7" else "dolma-qc")
    return tuple(sorted(tags))
