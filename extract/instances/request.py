"""What a call of `instances` asks for, by the names in the seeds."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.errors import UsageError
from extract.olmes.checkpoint import Checkpoint

ALL = "all"
# Names of a suite that --task takes for all of its tasks.
SUITES = {"mmlu": ("mmlu",), "core_9mcqa": ("olmes",), "olmes_10_macro_avg": ("olmes", "mmlu")}
SEEDS_FOLDER = Path(__file__).resolve().parents[2] / "seeds"
_N_SUGGESTIONS = 3


@dataclass(frozen=True)
class Request:
    """What is asked for: recipes by their tar names, and parts of them; nothing named is all."""

    recipes: tuple[str, ...]
    params: frozenset[str] = frozenset()
    seeds: frozenset[int] = frozenset()
    steps: frozenset[int] = frozenset()
    tasks: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        recipes: Sequence[str],
        params: Sequence[str] = (),
        seeds: Sequence[str] = (),
        steps: Sequence[int] = (),
        tasks: Sequence[str] = (),
    ) -> Request:
        """From the arguments of the command."""
        known_sizes = {row["params"].upper(): row["params"] for row in _seed("model_size_registry")}
        return cls(
            tuple(dict.fromkeys(name for asked in recipes for name in _tar_names(asked))),
            frozenset(
                _known(known_sizes, size, size.upper(), "size", "--params") for size in params
            ),
            frozenset(_seed_number(seed) for seed in seeds),
            frozenset(steps),
            frozenset(name for asked in tasks for name in _task_names(asked)),
        )

    @property
    def wanted_tasks(self) -> frozenset[str]:
        return self.tasks or frozenset(all_tasks())

    def has(self, checkpoint: Checkpoint) -> bool:
        return (
            (not self.params or checkpoint.params in self.params)
            and (not self.seeds or checkpoint.seed_number in self.seeds)
            and (not self.steps or checkpoint.step in self.steps)
        )

    @property
    def filters(self) -> dict[str, list[Any]]:
        """The options, as a manifest keeps them."""
        return {name: sorted(getattr(self, name)) for name in ("params", "seeds", "steps", "tasks")}

    def missed(self, seen: Iterable[Checkpoint]) -> str:
        """The options that no checkpoint of an archive meets, as they would be typed."""
        seen = list(seen)
        options = (
            ("--params", self.params - {checkpoint.params for checkpoint in seen}),
            ("--seed", self.seeds - {checkpoint.seed_number for checkpoint in seen}),
            ("--step", self.steps - {checkpoint.step for checkpoint in seen}),
        )
        return ", ".join(f"{name} {value}" for name, values in options for value in sorted(values))


def all_tasks() -> tuple[str, ...]:
    """The 66 tasks of a checkpoint."""
    return _TASKS


# -- names ----------------------------------------------------------------------------------------


def _seed(name: str) -> list[dict[str, str]]:
    with open(SEEDS_FOLDER / f"{name}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


_GROUPS = {row["task"]: row["task_group"] for row in _seed("task_registry")}
_TASKS = tuple(name for name, group in _GROUPS.items() if group in ("olmes", "mmlu"))


def _tar_names(asked: str) -> list[str]:
    rows = _seed("recipe_registry")
    if asked == ALL:
        return [row["tar_name"] for row in rows]
    known = {row[column].lower(): row["tar_name"] for column in ("recipe", "tar_name")
             for row in rows}  # fmt: skip
    names = {row[column].lower(): row[column] for column in ("recipe", "tar_name") for row in rows}
    if asked.lower() not in known:
        raise UsageError(
            f"{asked!r} is no recipe{_suggest(asked, names)}; all 25 are in "
            f"seeds/recipe_registry.csv (tar_name, recipe), and `{ALL}` means them all"
        )
    return [known[asked.lower()]]


def _task_names(asked: str) -> list[str]:
    if groups := SUITES.get(asked.lower()):
        return [name for name in _TASKS if _GROUPS[name] in groups]
    return [_known({name: name for name in _TASKS}, asked, asked.lower(), "task", "--task")]


def _seed_number(asked: str) -> int:
    """The number of a seed in these archives, or that of its label (2 is `default` here)."""
    numbers = {row["seed"]: row["instance_number"] for row in _seed("training_seeds")}
    if asked in numbers.values():
        return int(asked)
    label = " ".join(asked.lower().replace("_", " ").replace("-", " ").split())
    if label not in numbers:
        known = ", ".join(f"{number} ({name})" for name, number in numbers.items())
        raise UsageError(
            f"--seed {asked}: there is no such seed in these archives; they have {known}"
        )
    return int(numbers[label])


def _known(known: dict[str, str], asked: str, key: str, what: str, option: str) -> str:
    if key in known:
        return known[key]
    suggestion = _suggest(asked, {name.lower(): name for name in known.values()})
    raise UsageError(f"{option} {asked}: there is no such {what}{suggestion}")


def _suggest(asked: str, names: dict[str, str]) -> str:
    close = difflib.get_close_matches(asked.lower(), names, _N_SUGGESTIONS, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(names[name]) for name in close)}?" if close else ""
