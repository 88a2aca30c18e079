"""Deterministic simulator of the W&B project ml-moe/ft-scaling.

    for run in simulate_runs(320):
        write(run.record)
        for row in run.history():
            write(row)

Records have the shape of the component dump: run_id, run_name, state, project, entity,
created_at and the objects config, summary, wandb_metadata, system_metrics, system_attrs,
sweep_info.  History rows are {run_id, step, timestamp, runtime, metrics{}}.

Equal arguments give equal output on every machine and Python version: random numbers come only
from random.Random(text).random(), nothing depends on hash order, clock or environment.  All
people, hosts and paths are invented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .payloads import record_of
from .plans import Planner
from .scenarios import scenario

DEFAULT_RUNS = 320  # enough for every scenario and every recipe spelling that fits into an id
DEFAULT_SEED = 20_250_818


@dataclass(frozen=True)
class SimulatedRun:
    """One run of the simulated project, with what is known about it beforehand.

    `record` is one line of runs.jsonl.  Nested objects may be shared with other runs: copy before
    changing them.  `history()` yields the rows of history.jsonl, the same ones at every call.
    The other fields are the truth that a loader has to find again; no field of the record tells
    it directly.
    """

    record: dict[str, Any]
    history: Callable[[], Iterator[dict[str, Any]]]
    story: str  # why this run is in the project
    pattern: str  # id pattern without _PATTERN, or "old" / "other"
    tokens_seen: int | None  # tokens really trained at the last history row; None = not logged
    counter_resets: int  # how often the logged total_tokens goes down


def simulate_runs(
    n_runs: int = DEFAULT_RUNS, seed: int = DEFAULT_SEED, *, history_scale: float = 1.0
) -> Iterator[SimulatedRun]:
    """Yield `n_runs` runs one at a time; memory does not grow with their number.

    `history_scale` multiplies the rows per history by logging at a finer cadence (preference
    runs, which log every step already, train longer instead).  Raises ValueError for a negative
    number of runs or a scale that is not positive.
    """
    if n_runs < 0:
        raise ValueError("n_runs must not be negative")
    planner = Planner(seed, history_scale)
    for index in range(n_runs):
        sc = scenario(index)
        plan = planner.plan(index, sc)
        history = plan.history
        counted = history.counter and history.rows
        yield SimulatedRun(
            record=record_of(plan),
            history=history.iterate,
            story=sc.story,
            pattern="other" if sc.hidden_name else sc.pattern,
            tokens_seen=history.tokens_at(history.logged_until) if counted else None,
            counter_resets=history.resets(),
        )
